using System.Text;
using Millrace.App;
using Millrace.Client;
using Millrace.Server;
using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests;

/// <summary>Commands on a server that has users.</summary>
public sealed class ServerAccessTests : IAsyncLifetime
{
    private const string Password = "correct horse";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-access-");
    private MillraceClient? _store;
    private MillraceServer? _server;
    private string _key = "";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Url => _server!.Addresses[0];

    public async ValueTask InitializeAsync()
    {
        var users = Path.Combine(_folder.FullName, "users.json");
        var (key, text) = BearerKey.Create("laptop", TimeProvider.System.GetUtcNow(), null);
        _key = text;
        IReadOnlyList<TopicPattern> queues = [TopicPattern.Parse("orders")];
        var document = new UsersDocument(
            [
                new UserEntry { Name = "sender", Roles = ["send"], Password = PasswordHash.Create(Password, 1000), Keys = [key] },
                new UserEntry { Name = "worker", Roles = ["receive"], Password = PasswordHash.Create(Password, 1000) },
            ],
            [
                new RoleEntry("send", [new RoleRule { Allow = [Permission.Send], Queues = queues }]),
                new RoleEntry("receive", [new RoleRule { Allow = [Permission.Receive], Queues = queues }]),
            ]);
        await UsersFile.EditAsync(users, mayCreate: true, _ => document, TimeProvider.System, Token);
        _store = await MillraceClient.OpenAsync("memory:", cancellationToken: Token);
        _server = await MillraceServer.StartAsync(
            new MillraceServerOptions { Urls = { [0] = "http://127.0.0.1:0" }, Instances = { ["default"] = _store }, Security = new SecurityOptions { UsersFile = users } }, Token);
    }

    [Theory]
    [InlineData("://sender:wrong-s3cret@")]
    [InlineData("://stranger:wrong-s3cret@")]
    [InlineData("://", "?key=wrong-s3cret")]
    [InlineData("://")]
    public async Task WrongCredentials_AreOneSentence_WithoutASecret(string credentials, string options = "")
    {
        var result = await RunAsync("", "stats", "--server", Url.Replace("://", credentials, StringComparison.Ordinal) + options);

        result.Failed(ExitCodes.Failed, $"millrace: The server {Url} does not let this client in: ");
        Assert.DoesNotContain("s3cret", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatTheUserMayNotDo_IsOneSentence() =>
        (await RunAsync("", "queue", "create", "orders", "--server", UrlOf("sender")))
            .Failed(ExitCodes.Failed, $"millrace: The server {Url} does not allow this: The user 'sender' has no permission to manage for queue 'orders'.");

    [Fact]
    public async Task SendingNeedsSend_WorkingAndReceivingNeedReceive_AndNothingElse()
    {
        (await RunAsync("1\n2\n3\n", "send", "orders", "--server", UrlOf("sender"))).Succeeded();
        (await RunAsync("4\n", "send", "orders", "--server", $"{Url}?key={_key}")).Succeeded();
        Assert.Equal("1\n", (await RunAsync("", "receive", "orders", "--server", UrlOf("worker"))).Succeeded().Output);
        (await RunAsync("", "work", "orders", "--exec", "true", "--exit-when-idle", "100ms", "--server", UrlOf("worker"))).Succeeded();
        Assert.Contains("orders", (await RunAsync("", "stats", "--server", UrlOf("worker"))).Succeeded().Output, StringComparison.Ordinal);

        Assert.Equal(4, (await _store!.Require<IQueueAdmin>().GetStatsAsync("orders", Token)).Completed);
        (await RunAsync("5\n", "send", "orders", "--server", UrlOf("worker"))).Failed(ExitCodes.Failed, "has no permission to send");
        (await RunAsync("", "work", "orders", "--exec", "true", "--exit-when-idle", "100ms", "--server", UrlOf("sender"))).Failed(ExitCodes.Failed, "has no permission to receive");
    }

    public async ValueTask DisposeAsync()
    {
        await _server!.DisposeAsync();
        await _store!.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private string UrlOf(string user) => Url.Replace("://", $"://{user}:{Uri.EscapeDataString(Password)}@", StringComparison.Ordinal);

    private static async Task<CliResult> RunAsync(string input, params string[] args)
    {
        var output = new MemoryStream();
        var error = new StringWriter();
        var context = new CliContext
        {
            Input = new MemoryStream(Encoding.UTF8.GetBytes(input)),
            Output = output,
            Error = TextWriter.Synchronized(error),
            ReadVariable = static _ => null,
        };
        var code = await CommandLine.RunAsync(args, context, Token);
        return new CliResult(code, Encoding.UTF8.GetString(output.ToArray()), error.ToString());
    }
}
