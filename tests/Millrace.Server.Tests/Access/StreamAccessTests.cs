using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Microsoft.Extensions.Logging;
using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Millrace.Server.Tests.Security;
using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Access;

/// <summary>Subscriptions outlast the request that proved who has them, but not the right to them.</summary>
public sealed class StreamAccessTests
{
    private const string Ann = "ann";
    private const string Reader = "reader";
    private const string Events = "channels/news.eu/events";

    private static readonly TimeSpan Patience = TestScale.Patience;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, HttpStatusCode> Losses => new()
    {
        { "removed", HttpStatusCode.Unauthorized },
        { "disabled", HttpStatusCode.Unauthorized },
        { "another password", HttpStatusCode.Unauthorized },
        { "without the role", HttpStatusCode.Forbidden },
        { "a narrower role", HttpStatusCode.Forbidden },
    };

    [Theory]
    [MemberData(nameof(Losses))]
    public async Task AStream_EndsCleanly_WhenItsUserLosesTheRightToIt(string loss, HttpStatusCode next)
    {
        await using var node = await StartAsync();
        using var stream = await SubscribeAsync(node.As(Ann));

        await node.EditAsync(document => After(loss, document));

        Assert.Null(await stream.ReadLineAsync(Token).AsTask().WaitAsync(Patience, Token));
        using var again = await node.As(Ann).GetAsync(new Uri(Events, UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, Token);
        Assert.Equal(next, again.StatusCode);
    }

    [Fact]
    public async Task AStream_GoesOn_WhenTheFileChangesForOthers_OrInWhatItDoesNotUse()
    {
        await using var node = await StartAsync();
        using var stream = await SubscribeAsync(node.As(Ann));

        await node.EditAsync(document => document.With(AccessNode.User("bob")).With(document.FindUser(Ann)! with { Roles = [Reader, RoleEntry.Administrator] }));
        await node.EditAsync(document => document.With(document.FindUser(Ann)! with { Roles = [RoleEntry.Administrator] }));
        await node.Store.Require<IChannelTransport>().PublishAsync("news.eu", new Envelope("still here"u8.ToArray()), Token);

        Assert.Equal("data: still here", await ReadDataAsync(stream));
    }

    [Fact]
    public async Task AStreamByKey_EndsWithItsKey_AndNotWithAnother()
    {
        var (used, text) = BearerKey.Create("used", TimeProvider.System.GetUtcNow(), null);
        var (other, _) = BearerKey.Create("other", TimeProvider.System.GetUtcNow(), null);
        await using var node = await StartAsync(user => user with { Keys = [used, other] });
        using var client = ClientOf(node, text);
        using var stream = await SubscribeAsync(client);

        await node.EditAsync(document => document.With(document.FindUser(Ann)! with { Keys = [used], Password = null }));
        await node.Store.Require<IChannelTransport>().PublishAsync("news.eu", new Envelope("still here"u8.ToArray()), Token);
        Assert.Equal("data: still here", await ReadDataAsync(stream));

        await node.EditAsync(document => document.With(document.FindUser(Ann)! with { Keys = [] }));
        Assert.Equal("", await stream.ReadLineAsync(Token));
        Assert.Null(await stream.ReadLineAsync(Token).AsTask().WaitAsync(Patience, Token));
    }

    [Fact]
    public async Task AStreamByKey_EndsWhenTheKeyExpires()
    {
        var clock = new ManualTimeProvider();
        var (key, text) = BearerKey.Create("short", clock.GetUtcNow(), clock.GetUtcNow() + TimeSpan.FromSeconds(40));
        await using var node = await StartAsync(user => user with { Keys = [key] }, options => options.TimeProvider = clock);
        using var client = ClientOf(node, text);
        using var stream = await SubscribeAsync(client);

        clock.Advance(TimeSpan.FromSeconds(39));
        await node.Store.Require<IChannelTransport>().PublishAsync("news.eu", new Envelope("still here"u8.ToArray()), Token);
        Assert.Equal("data: still here", await ReadDataAsync(stream));

        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("", await stream.ReadLineAsync(Token));
        Assert.Null(await stream.ReadLineAsync(Token).AsTask().WaitAsync(Patience, Token));
    }

    [Theory]
    [MemberData(nameof(Losses))]
    public async Task ASubscriptionOfAClient_EndsAsDisconnected_WithAMessage(string loss, HttpStatusCode next)
    {
        _ = next;
        await using var node = await StartAsync();
        var log = new RecordedLog();
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(node.UrlFor(Ann), new BackendContext { LoggerFactory = log }, Token);
        await using var subscription = await backend.Require<IChannelTransport>().SubscribeAsync(TopicPattern.Parse("news.*"), SubscriptionOptions.Default, Token);

        await node.EditAsync(document => After(loss, document));

        Assert.Equal(0, await subscription.ReadAsync(new ChannelMessage[1], Token).AsTask().WaitAsync(Patience, Token));
        Assert.True(subscription.Stats.Disconnected);
        var message = await log.WaitForAsync(1201);
        Assert.Equal(LogLevel.Error, message.Level);
        Assert.DoesNotContain(AccessNode.PasswordSuffix, log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task APermission_ThatWasLostBeforeItWasHeld_HasEnded_AndNoneIsKept()
    {
        using var folder = new UsersFolder();
        await folder.EditAsync(document => document.With(AccessNode.Role(Reader, Permission.Receive, ResourceKind.Topic)).With(AccessNode.User(Ann, Reader)));
        var clock = new ManualTimeProvider();
        using var users = LiveUsers.Open(folder.File, clock, new RecordedLog().CreateLogger("x"));
        var standing = new StandingPermissions(users, clock);
        var before = users.Current.Find(Ann)!;
        await folder.WriteAsync();
        clock.Advance(TimeSpan.FromSeconds(1));

        using (var held = standing.Hold(before, Permission.Receive, ResourceKind.Topic, "news.*"))
        {
            await Assert.ThrowsAsync<TaskCanceledException>(() => Task.Delay(Patience, held.Lost));
            Assert.Equal(1, standing.Count);
        }

        Assert.Equal(0, standing.Count);
    }

    private static UsersDocument After(string loss, UsersDocument document) => loss switch
    {
        "removed" => document.WithoutUser(Ann),
        "disabled" => document.With(document.FindUser(Ann)! with { IsDisabled = true }),
        "another password" => document.With(document.FindUser(Ann)! with { Password = PasswordHash.Create("another pass word", UsersFolder.FewIterations) }),
        "without the role" => document.With(document.FindUser(Ann)! with { Roles = [] }),
        _ => document.With(AccessNode.Role(Reader, Permission.Receive, ResourceKind.Topic, "news.us")),
    };

    private static Task<AccessNode> StartAsync(Func<UserEntry, UserEntry>? with = null, Action<MillraceServerOptions>? configure = null)
    {
        var user = AccessNode.User(Ann, Reader);
        return AccessNode.StartAsync([with?.Invoke(user) ?? user], [AccessNode.Role(Reader, Permission.Receive, ResourceKind.Topic, "news.*")], configure);
    }

    private static HttpClient ClientOf(AccessNode node, string key)
    {
        var client = new HttpClient { BaseAddress = new Uri(node.Url + "/api/v1/") };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    // Behind what the server says first.
    private static async Task<StreamReader> SubscribeAsync(HttpClient client)
    {
        var response = await client.GetAsync(new Uri(Events, UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, Token);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Token), Encoding.UTF8);
        while (await reader.ReadLineAsync(Token) is { Length: > 0 })
        {
            // Comments, and how long to wait before a return.
        }

        return reader;
    }

    private static async Task<string?> ReadDataAsync(StreamReader stream)
    {
        while (await stream.ReadLineAsync(Token).AsTask().WaitAsync(Patience, Token) is { } line)
        {
            if (line.StartsWith("data:", StringComparison.Ordinal))
            {
                return line;
            }
        }

        return null;
    }
}
