using System.Text;
using Millrace.App;
using Millrace.Server.Security.Users;
using Millrace.Testing;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class UserCommandTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-users-");
    private readonly ManualTimeProvider _clock = new();
    private readonly Queue<string> _typed = [];
    private TimeProvider _time;

    public UserCommandTests() => _time = _clock;

    private string File => Path.Combine(_folder.FullName, "users.json");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Add_MakesTheFile_WithAUserWhoCanLogIn()
    {
        var result = (await RunAsync("correct horse\nsecond line\n", "user", "add", "Ada L.", "--role", "admin", "--password-stdin")).Succeeded();

        var user = Assert.Single(UsersFile.Read(File).Users);
        Assert.Equal(("Ada L.", "admin", PasswordHash.DefaultIterations), (user.Name, Assert.Single(user.Roles), user.Password!.Iterations));
        Assert.True(user.Password.Matches("correct horse"));
        Assert.Equal("Added 'Ada L.'.\n", result.Output);
        Assert.Contains($"Made the users file {File}", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("correct", result.Output + result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Add_AsksTwiceOnATerminal()
    {
        _typed.Enqueue("correct horse");
        _typed.Enqueue("correct house");
        (await RunAsync(null, "user", "add", "ada")).Failed(ExitCodes.Usage, "The two passwords differ");
        Assert.False(System.IO.File.Exists(File));

        _typed.Enqueue("correct horse");
        _typed.Enqueue("correct horse");
        (await RunAsync(null, "user", "add", "ada")).Succeeded();
        Assert.True(UsersFile.Read(File).Users[0].Password!.Matches("correct horse"));

        _typed.Enqueue("short");
        (await RunAsync(null, "user", "password", "ada")).Failed(ExitCodes.Usage, "at least 8 characters");
        Assert.Empty(_typed);
    }

    [Theory]
    [InlineData("The password is too short: it needs at least 8 characters.", "1234567\n", "user", "add", "x", "--password-stdin")]
    [InlineData("the input is empty", "", "user", "add", "x", "--password-stdin")]
    [InlineData("a control character", "12345678\t9\n", "user", "add", "x", "--password-stdin")]
    [InlineData("with --password-stdin", "", "user", "add", "x")]
    [InlineData("exclude each other", "", "user", "add", "x", "--password-stdin", "--no-password")]
    [InlineData("no colon and no control characters: character 2 is U+003A", "", "user", "add", "a:b", "--no-password")]
    [InlineData("1 to 100 characters, not 0", "", "user", "add", "", "--no-password")]
    [InlineData("There is no role 'wroker', only admin", "", "user", "add", "x", "--no-password", "--role", "wroker")]
    [InlineData("no command, argument or option here", "", "user", "add", "x", "--password", "12345678")]
    [InlineData("There is a user 'ada' already", "", "user", "add", "ada", "--no-password")]
    [InlineData("--expires must be above 0", "", "user", "key", "add", "ada", "k", "--expires", "0")]
    [InlineData("--expires needs a duration", "", "user", "key", "add", "ada", "k", "--expires", "soon")]
    [InlineData("'ada' has a key 'laptop' already", "", "user", "key", "add", "ada", "laptop")]
    [InlineData("--allow takes send, receive, manage, several with commas, not 'read'", "", "user", "role", "set", "r", "--allow", "send,read", "--queues", "*")]
    [InlineData("Say with what", "", "user", "role", "set", "r", "--allow", "send")]
    [InlineData("'admin' is built in", "", "user", "role", "set", "admin", "--allow", "send", "--queues", "*")]
    [InlineData("The role 'worker' is in use: take it from ada first", "", "user", "role", "remove", "worker")]
    [InlineData("There is no role 'x', only admin, worker", "", "user", "grant", "ada", "x")]
    public async Task WhatCannotBe_IsRefused_AndChangesNothing(string message, string input, params string[] args)
    {
        await WriteAdaAsync();
        var before = await System.IO.File.ReadAllTextAsync(File, TestContext.Current.CancellationToken);

        (await RunAsync(input, args)).Failed(ExitCodes.Usage, message);

        Assert.Equal(before, await System.IO.File.ReadAllTextAsync(File, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("There is no user 'bob'", "user", "remove", "bob")]
    [InlineData("There is no user 'Ada'", "user", "disable", "Ada")]
    [InlineData("There is no user 'bob'", "user", "password", "bob", "--password-stdin")]
    [InlineData("There is no user 'bob'", "user", "key", "add", "bob", "k")]
    [InlineData("'ada' has no key 'k'", "user", "key", "remove", "ada", "k")]
    [InlineData("There is no role 'r'", "user", "role", "remove", "r")]
    public async Task WhatIsNotThere_IsNotFound(string message, params string[] args)
    {
        await WriteAdaAsync();

        (await RunAsync("12345678\n", args)).Failed(ExitCodes.NotFound, message);
    }

    [Theory]
    [InlineData("user", "list")]
    [InlineData("user", "remove", "ada")]
    [InlineData("user", "role", "list")]
    public async Task WithoutAFile_TheErrorSaysHowToMakeOne(params string[] args)
    {
        (await RunAsync("", args)).Failed(ExitCodes.Usage, $"There is no users file {File}. Make one with its first user: millrace user add");
        Assert.Empty(_folder.EnumerateFiles());
    }

    [Fact]
    public async Task ABrokenFile_IsNamedWithItsLine_AndLeftAlone()
    {
        const string Broken = "{\n\"users\": [{\"nmae\": \"a\"}]}";
        await System.IO.File.WriteAllTextAsync(File, Broken, TestContext.Current.CancellationToken);

        (await RunAsync("", "user", "list")).Failed(ExitCodes.Usage, $"{File} is wrong, line 2: a user has no field 'nmae'");
        (await RunAsync("", "user", "add", "b", "--no-password")).Failed(ExitCodes.Usage, "line 2");
        Assert.Equal(Broken, await System.IO.File.ReadAllTextAsync(File, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task AKey_IsPrintedOnce_AndStoredAsAHash()
    {
        await WriteAdaAsync();

        var result = (await RunAsync("", "user", "key", "add", "ada", "ci", "--expires", "90d")).Succeeded();

        var text = Assert.Single(result.Lines);
        var key = UsersFile.Read(File).Users[0].Keys.Single(key => key.Name == "ci");
        Assert.True(key.Matches(text));
        Assert.Equal(_clock.GetUtcNow() + TimeSpan.FromDays(90), key.ExpiresAt);
        Assert.DoesNotContain(text[^43..], await System.IO.File.ReadAllTextAsync(File, TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.DoesNotContain(text, (await RunAsync("", "user", "list", "--json")).Output + result.Error, StringComparison.Ordinal);

        (await RunAsync("", "user", "key", "remove", "ada", "ci")).Succeeded();
        Assert.Equal("laptop", Assert.Single(UsersFile.Read(File).Users[0].Keys).Name);
    }

    [Fact]
    public async Task AKey_AsJson_HasItsParts()
    {
        await WriteAdaAsync();

        var json = Assert.Single((await RunAsync("", "user", "key", "add", "ada", "ci", "--json")).Succeeded().Objects);

        Assert.Equal(["name", "keyName", "id", "expires", "key"], json.EnumerateObject().Select(member => member.Name));
    }

    [Fact]
    public async Task RolesAndStates_AreChangedAndListed()
    {
        await WriteAdaAsync();
        (await RunAsync("", "user", "role", "set", "worker", "--add", "--allow", "manage", "--topics", "a.*", "b.?", "--locks", "*", "--state", "jobs/*")).Succeeded();
        (await RunAsync("", "user", "grant", "ada", "admin", "worker")).Succeeded();
        (await RunAsync("", "user", "disable", "ada")).Succeeded();

        Assert.Equal(
            ["ROLE    ALLOW          WITH", "admin   everything     everything", "worker  send, receive  queues orders*", "worker  manage         topics a.* b.?; locks *; state jobs/*"],
            (await RunAsync("", "user", "role", "list")).Succeeded().Lines);
        Assert.Equal(
            ["NAME ROLES PASSWORD KEYS STATE", "ada worker, admin no laptop (until 2030-01-01T00:01:00Z) disabled"],
            (await RunAsync("", "user", "list")).Succeeded().Lines.Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries))));
        var json = Assert.Single((await RunAsync("", "user", "list", "--json")).Succeeded().Objects);
        Assert.Equal(["name", "roles", "password", "disabled", "keys"], json.EnumerateObject().Select(member => member.Name));

        (await RunAsync("", "user", "enable", "ada")).Succeeded();
        Assert.Equal("'ada' has admin.\n", (await RunAsync("", "user", "revoke", "ada", "worker")).Succeeded().Output);
        (await RunAsync("", "user", "role", "remove", "worker")).Succeeded();
        var document = UsersFile.Read(File);
        Assert.Empty(document.Roles);
        Assert.False(document.Users[0].IsDisabled);

        _clock.Advance(TimeSpan.FromHours(1));
        Assert.Contains("laptop (expired)", (await RunAsync("", "user", "list")).Output, StringComparison.Ordinal);
        (await RunAsync("", "user", "remove", "ada")).Succeeded();
        Assert.Empty(UsersFile.Read(File).Users);
    }

    [Fact]
    public async Task ConcurrentAdds_AllArrive()
    {
        _time = TimeProvider.System;
        var results = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Task.Run(() => RunAsync("", "user", "add", $"user-{i}", "--no-password"))));

        Assert.All(results, result => result.Succeeded());
        Assert.Equal(12, UsersFile.Read(File).Users.Count);
    }

    private async Task WriteAdaAsync()
    {
        (await RunAsync("", "user", "role", "set", "worker", "--allow", "send,receive", "--queues", "orders*")).Succeeded();
        (await RunAsync("", "user", "add", "ada", "--role", "worker", "--no-password")).Succeeded();
        (await RunAsync("", "user", "key", "add", "ada", "laptop", "--expires", "1m")).Succeeded();
    }

    // An input of null is a terminal.
    private async Task<CliResult> RunAsync(string? input, params string[] args)
    {
        var output = new MemoryStream();
        var error = new StringWriter();
        var context = new CliContext
        {
            Input = new MemoryStream(Encoding.UTF8.GetBytes(input ?? "")),
            Output = output,
            Error = TextWriter.Synchronized(error),
            IsInputTerminal = input is null,
            TimeProvider = _time,
            ReadVariable = name => name == DefaultUsersFile.Variable ? File : null,
            ReadSecret = (_, _) => Task.FromResult(_typed.Dequeue()),
        };
        var code = await CommandLine.RunAsync(args, context, TestContext.Current.CancellationToken);
        return new CliResult(code, Encoding.UTF8.GetString(output.ToArray()), error.ToString());
    }
}
