using System.Text;
using System.Text.RegularExpressions;
using Millrace.Client;
using Millrace.Storage.Http.Wire;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Channels;

/// <summary>Server-sent events, byte by byte, as a browser's EventSource reads them: how they begin, go on after a cut, and whom they are shown.</summary>
public sealed partial class EventStreamTests
{
    private const string Page = "http://page.example";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AMessageOfTwoLines_WithAType_IsOneEvent()
    {
        await using var server = await StartAsync();
        using var stream = await SubscribeAsync(server, null);

        var id = await PublishAsync(server, "one\ntwo", ("Millrace-Header-Event", "headline"));

        Assert.Equal($": subscribed\nretry: 2000\n\nid: {id}\nevent: headline\ndata: one\ndata: two\n\n", await stream.ReadUntilAsync("two\n\n"));
        Assert.Equal("text/event-stream", stream.ContentType);
    }

    [Theory]
    [InlineData("a\r\nevent: evil\rid: 9\n\ndata: b", "note%0Adata: c", "data: a\ndata: event: evil\ndata: id: 9\ndata: \ndata: data: b\n\n")]
    [InlineData(": no comment", "a%0Did: 9", "data: : no comment\n\n")]
    [InlineData("retry: 1", "plain", "event: plain\ndata: retry: 1\n\n")]
    public async Task NothingInAMessage_BeginsAFieldOfTheEvent(string body, string type, string shown)
    {
        await using var server = await StartAsync();
        using var stream = await SubscribeAsync(server, null);

        var id = await PublishAsync(server, body, ("Millrace-Header-Event", type));

        Assert.Equal($": subscribed\nretry: 2000\n\nid: {id}\n{shown}", await stream.ReadUntilAsync(shown));
    }

    [Fact]
    public async Task ABodyThatIsNoText_ComesInBase64()
    {
        await using var server = await StartAsync();
        using var stream = await SubscribeAsync(server, null);
        using var body = new ByteArrayContent([0xFF, 0x0A, 0x00]);

        using var published = await server.Http.PostAsync(new Uri("/api/v1/channels/news.world/messages", UriKind.Relative), body, Token);

        Assert.EndsWith("\nevent: base64\ndata: /woA\n\n", await stream.ReadUntilAsync("/woA\n\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AQuietStream_SaysThatItIsAlive()
    {
        var clock = new ManualTimeProvider();
        await using var server = await StartAsync(clock);
        using var stream = await SubscribeAsync(server, null);
        var alive = stream.ReadUntilAsync(": still here\n\n");
        while (!alive.IsCompleted)
        {
            clock.Advance(EventNames.KeepAlive);
            await Task.Yield();
        }

        Assert.Matches("^: subscribed\nretry: 2000\n\n(: still here\n\n)+$", await alive);
        await PublishAsync(server, "after it");
        Assert.EndsWith("data: after it\n\n", await stream.ReadUntilAsync("after it\n\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ASubscriberWhoWasCut_GoesOnAfterTheLastEvent()
    {
        await using var server = await StartAsync();
        string first;
        using (var stream = await SubscribeAsync(server, null))
        {
            first = await PublishAsync(server, "first");
            await stream.ReadUntilAsync("first\n\n");
        }

        var missed = await PublishAsync(server, "missed");
        using var again = await SubscribeAsync(server, first);

        Assert.Equal($": subscribed\nretry: 2000\n\nid: {missed}\ndata: missed\n\n", await again.ReadUntilAsync("missed\n\n"));
    }

    [Fact]
    public async Task ASubscriberOfAServerThatForgot_IsToldThatSomethingMayBeMissing()
    {
        string last;
        await using (var server = await StartAsync())
        {
            last = await PublishAsync(server, "before the restart");
        }

        await using var restarted = await StartAsync();
        using var stream = await SubscribeAsync(restarted, last);

        Assert.Matches(Gap(), await stream.ReadUntilAsync("missing here\n\n"));
    }

    [Fact]
    public async Task APageOfAnotherOrigin_SeesEventsOnlyIfItsOriginIsAllowed()
    {
        await using var closed = await StartAsync();
        await using var open = await StartAsync(Page);

        using var hidden = await SubscribeAsync(closed, null, Page);
        using var shown = await SubscribeAsync(open, null, Page);

        Assert.Null(hidden.AllowedOrigin);
        Assert.Equal(Page, shown.AllowedOrigin);
    }

    private static Task<RunningServer> StartAsync(params string[] origins) => StartAsync(TimeProvider.System, origins);

    private static async Task<RunningServer> StartAsync(TimeProvider clock, params string[] origins)
    {
        var client = await MillraceClient.OpenAsync("memory:", cancellationToken: Token);
        return await RunningServer.StartAsync(options =>
        {
            options.TimeProvider = clock;
            options.Instances["default"] = client;
            options.Security = options.Security with { CorsOrigins = origins };
        });
    }

    private static async Task<EventText> SubscribeAsync(RunningServer server, string? lastId, string? origin = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/channels/news.*/events");
        if (lastId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastId);
        }

        if (origin is not null)
        {
            request.Headers.Add("Origin", origin);
        }

        var response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
        return new EventText(response.EnsureSuccessStatusCode());
    }

    private static async Task<string> PublishAsync(RunningServer server, string text, params (string Name, string Value)[] fields)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/channels/news.world/messages") { Content = new StringContent(text) };
        foreach (var (name, value) in fields)
        {
            request.Headers.Add(name, value);
        }

        using var response = await server.Http.SendAsync(request, Token);
        return (await RunningServer.ReadJsonAsync(response)).GetProperty("id").GetString()!;
    }

    [GeneratedRegex(@"^: subscribed\nretry: 2000\n\nid: \d+-0\nevent: gap\ndata: messages are missing here\n\n$")]
    private static partial Regex Gap();

    private sealed class EventText(HttpResponseMessage response) : IDisposable
    {
        private readonly StringBuilder _text = new();
        private readonly byte[] _buffer = new byte[1000];

        public string? ContentType => response.Content.Headers.ContentType?.ToString();

        public string? AllowedOrigin => response.Headers.TryGetValues("Access-Control-Allow-Origin", out var values) ? Assert.Single(values) : null;

        /// <summary>All that has come since the beginning, once it ends so.</summary>
        public async Task<string> ReadUntilAsync(string end)
        {
            var stream = await response.Content.ReadAsStreamAsync(Token);
            while (!_text.ToString().EndsWith(end, StringComparison.Ordinal))
            {
                var read = await stream.ReadAsync(_buffer, Token);
                Assert.True(read > 0, $"The stream has ended after: {_text}");
                _text.Append(Encoding.UTF8.GetString(_buffer, 0, read));
            }

            return _text.ToString();
        }

        public void Dispose() => response.Dispose();
    }
}
