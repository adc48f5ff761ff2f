using System.Net;
using System.Net.Sockets;
using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Client;

/// <summary>What a client does when the server or the way to it is not there.</summary>
public sealed class HttpFaultTests
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Opening_WithoutAServer_FailsAtOnce_AndSaysWhatToDo()
    {
        var error = await Assert.ThrowsAsync<BackendUnavailableException>(async () => await TestNode.OpenAsync($"http://127.0.0.1:{FreePort()}", ""));

        Assert.True(error.IsTransient);
        Assert.False(error.MayHaveBeenApplied);
        Assert.Contains("millrace serve", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Opening_SomethingThatIsNoServerOfMillrace_SaysSo()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var answering = Task.Run(
            async () =>
            {
                using var client = await listener.AcceptTcpClientAsync(Token);
                var buffer = new byte[4096];
                _ = await client.GetStream().ReadAsync(buffer, Token);
                await client.GetStream().WriteAsync("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"u8.ToArray(), Token);
            },
            Token);

        var error = await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await TestNode.OpenAsync($"http://{listener.LocalEndpoint}", ""));

        await answering;
        Assert.Contains("no Millrace server", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://a:1,b:2", "one host")]
    [InlineData("http://a:1?colour=red", "no option 'colour'")]
    [InlineData("http://me@a:1?key=x", "takes one of them")]
    [InlineData("http://a:1?caFile=x.pem", "https")]
    [InlineData("https://a:1?caFile=missing.pem", "cannot be read")]
    [InlineData("http://a:1?timeoutMs=-1", "timeoutMs")]
    public async Task Opening_WithAUrlThatCannotWork_NamesThePart(string url, string expected)
    {
        var error = await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await TestNode.OpenAsync(url, ""));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnAnswerThatIsLost_LeavesAnEnqueueOpen()
    {
        await using var node = await TestNode.StartAsync();
        await using var proxy = new CuttingProxy(node.Url);
        await using var backend = await TestNode.OpenAsync(proxy.Url, "");
        proxy.CutAnswers(1);

        var error = await Assert.ThrowsAsync<BackendUnavailableException>(async () => await backend.Queues!.EnqueueAsync("q", Batch("a"), default, Token));

        Assert.True(error.MayHaveBeenApplied);
        Assert.Equal(1, (await node.Store.Require<IQueueAdmin>().GetStatsAsync("q", Token)).Ready);
        await backend.Queues!.EnqueueAsync("q", Batch("b"), default, Token);
    }

    [Fact]
    public async Task AnAnswerThatIsLost_ToAnEnqueueWithIds_IsAskedForAgain_AndStoresOnce()
    {
        await using var node = await TestNode.StartAsync();
        await using var proxy = new CuttingProxy(node.Url);
        await using var backend = await TestNode.OpenAsync(proxy.Url, "");
        proxy.CutAnswers(2);

        await backend.Queues!.EnqueueAsync("q", new Envelope[] { new("a"u8.ToArray()) { Id = "1" }, new("b"u8.ToArray()) { Id = "2" } }, default, Token);

        var stats = await node.Store.Require<IQueueAdmin>().GetStatsAsync("q", Token);
        Assert.Equal((2, 4), (stats.Ready, stats.Duplicates));
    }

    [Fact]
    public async Task AnAnswerThatIsLost_ToManyCallers_IsLostOnlyForThoseWhoCannotAskAgain()
    {
        await using var node = await TestNode.StartAsync();
        await using var proxy = new CuttingProxy(node.Url);
        await using var backend = await TestNode.OpenAsync(proxy.Url, "");
        var uncertain = 0;
        proxy.CutAnswers(4);
        await Task.WhenAll(Enumerable.Range(0, 400).Select(async i =>
        {
            try
            {
                await backend.Queues!.EnqueueAsync("q", new Envelope[] { new("x"u8.ToArray()) { Id = i % 2 == 1 ? $"{i}" : default } }, default, Token);
            }
            catch (BackendUnavailableException error) when (error.MayHaveBeenApplied && i % 2 == 0)
            {
                Interlocked.Increment(ref uncertain);
            }
        }));

        Assert.True(uncertain > 0);
        var stats = await node.Store.Require<IQueueAdmin>().GetStatsAsync("q", Token);
        Assert.InRange(stats.Ready, 200, 400);
        for (var i = 1; i < 400; i += 2)
        {
            Assert.NotNull(await node.Store.Require<IQueueAdmin>().GetMessageAsync("q", $"{i}", Token));
        }
    }

    [Fact]
    public async Task AnAnswerThatIsLost_ToALease_IsAskedForAgain_WithTheSameDeliveries()
    {
        await using var node = await TestNode.StartAsync();
        await using var proxy = new CuttingProxy(node.Url);
        await using var backend = await TestNode.OpenAsync(proxy.Url, "");
        await backend.Queues!.EnqueueAsync("q", Batch("a", "b"), default, Token);
        await using var receiver = await backend.Queues.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = TimeSpan.FromMinutes(10) }, Token);
        var deliveries = new Delivery[10];
        proxy.CutAnswers(3);

        var count = await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Token);

        Assert.Equal(["a", "b"], deliveries.Take(count).Select(delivery => Encoding.UTF8.GetString(delivery.Message.Body.Span)));
        Assert.All(deliveries.Take(count), delivery => Assert.Equal(1, delivery.Attempt));
        Assert.Equal(2, (await node.Store.Require<IQueueAdmin>().GetStatsAsync("q", Token)).Leased);
    }

    [Fact]
    public async Task ACutInTheMiddleOfAWait_GoesUnnoticed()
    {
        await using var node = await TestNode.StartAsync();
        await using var proxy = new CuttingProxy(node.Url);
        await using var backend = await TestNode.OpenAsync(proxy.Url, "");
        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Token);
        var deliveries = new Delivery[1];
        var leasing = receiver.LeaseAsync(deliveries, Timeout.InfiniteTimeSpan, Token).AsTask();
        proxy.CutAll();

        await node.Store.Require<IQueueStore>().EnqueueAsync("q", Batch("a"), default, Token);

        Assert.Equal(1, await leasing.WaitAsync(TestScale.Patience, Token));
        Assert.Equal(1, deliveries[0].Attempt);
    }

    [Fact]
    public async Task ARestartOfTheServer_IsRiddenOut_AndWhatWasOpenIsReportedAsLost()
    {
        var address = $"http://127.0.0.1:{FreePort()}";
        var first = await TestNode.StartAsync(listen: address);
        await using var backend = await TestNode.OpenAsync(address, "?retryMs=180000");
        await backend.Queues!.EnqueueAsync("q", Batch("a"), default, Token);
        await using var receiver = await backend.Queues.OpenReceiverAsync("q", new ReceiverOptions(), Token);
        var deliveries = new Delivery[1];
        Assert.Equal(1, await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Token));
        var lost = deliveries[0].Token;
        await first.DisposeAsync();

        var sending = backend.Queues.EnqueueAsync("q", Batch("b"), default, Token).AsTask();
        var leasing = receiver.LeaseAsync(deliveries, Timeout.InfiniteTimeSpan, Token).AsTask();
        await using var second = await TestNode.StartAsync(listen: address);

        await sending.WaitAsync(TestScale.Patience, Token);
        Assert.Equal(1, await leasing.WaitAsync(TestScale.Patience, Token));
        Assert.Equal("b", Encoding.UTF8.GetString(deliveries[0].Message.Body.Span));
        Assert.Equal([lost], await receiver.RenewAsync(Token));
        Assert.Empty(await receiver.RenewAsync(Token));
    }

    [Fact]
    public async Task AServerThatDoesNotComeBack_IsGivenUp_AfterTheTimeOfTheOption()
    {
        var node = await TestNode.StartAsync();
        await using var backend = await node.OpenAsync("?retryMs=200");
        await node.DisposeAsync();

        var error = await Assert.ThrowsAsync<BackendUnavailableException>(
            async () => await backend.Queues!.EnqueueAsync("q", Batch("a"), default, Token).AsTask().WaitAsync(TestScale.Patience, Token));

        Assert.False(error.MayHaveBeenApplied);
    }

    [Fact]
    public async Task AServerThatDoesNotAnswer_IsGivenUp_AfterTheTimeOfTheOption()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();

        var error = await Assert.ThrowsAsync<BackendUnavailableException>(
            async () => await TestNode.OpenAsync($"http://{listener.LocalEndpoint}", "?timeoutMs=200").AsTask().WaitAsync(TestScale.Patience, Token));

        Assert.Contains("has not answered", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancelling_AWait_EndsItAtTheServerToo()
    {
        await using var node = await TestNode.StartAsync();
        await using var backend = await node.OpenAsync();
        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Token);
        for (var i = 0; i < 50; i++)
        {
            using var cancellation = new CancellationTokenSource();
            var deliveries = new Delivery[1];
            var leasing = receiver.LeaseAsync(deliveries, Timeout.InfiniteTimeSpan, cancellation.Token).AsTask();
            var sending = Task.Run(() => node.Store.Require<IQueueStore>().EnqueueAsync("q", Batch($"{i}"), default, Token).AsTask(), Token);
            await cancellation.CancelAsync();
            await sending;
            try
            {
                Assert.Equal(1, await leasing.WaitAsync(TestScale.Patience, Token));
            }
            catch (OperationCanceledException)
            {
                // Then the message must be there at once, for nobody has it.
                Assert.Equal(1, await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Token));
            }

            Assert.Equal($"{i}", Encoding.UTF8.GetString(deliveries[0].Message.Body.Span));
            await backend.Queues.SettleAsync("q", new[] { Settlement.Complete(deliveries[0].Token) }, default, Token);
        }
    }

    [Fact]
    public async Task ASubscription_ComesBackAfterACut_WithWhatWasPublishedMeanwhile()
    {
        await using var node = await TestNode.StartAsync();
        await using var proxy = new CuttingProxy(node.Url);
        await using var backend = await TestNode.OpenAsync(proxy.Url, "");
        await using var subscription = await backend.Channels!.SubscribeAsync(TopicPattern.Parse("t"), SubscriptionOptions.Default, Token);
        var channels = node.Store.Require<IChannelTransport>();
        await channels.PublishAsync("t", new Envelope("1"u8.ToArray()), Token);
        Assert.Equal("1", await ReadAsync(subscription));
        proxy.CutAll();
        await channels.PublishAsync("t", new Envelope("2"u8.ToArray()), Token);
        await channels.PublishAsync("t", new Envelope("3"u8.ToArray()), Token);

        Assert.Equal("2", await ReadAsync(subscription));
        Assert.Equal("3", await ReadAsync(subscription));
    }

    [Fact]
    public async Task ASubscription_ThatHasSeenNothingYet_SaysThatSomethingMayBeMissing_AfterACut()
    {
        await using var node = await TestNode.StartAsync();
        await using var proxy = new CuttingProxy(node.Url);
        await using var backend = await TestNode.OpenAsync(proxy.Url, "");
        await using var subscription = await backend.Channels!.SubscribeAsync(TopicPattern.Parse("t"), SubscriptionOptions.Default, Token);
        proxy.CutAll();

        Assert.Equal("gap", await ReadAsync(subscription));
        await node.Store.Require<IChannelTransport>().PublishAsync("t", new Envelope("1"u8.ToArray()), Token);
        Assert.Equal("1", await ReadAsync(subscription));
    }

    [Fact]
    public async Task TwoServers_OverOneFile_AreOneBroker()
    {
        var folder = Directory.CreateTempSubdirectory("millrace-nodes-");
        try
        {
            var store = $"sqlite:{Path.Combine(folder.FullName, "shared.db")}";
            await using var one = await TestNode.StartAsync(store);
            await using var two = await TestNode.StartAsync(store);
            await using var atOne = await one.OpenAsync();
            await using var atTwo = await two.OpenAsync();
            await using var receiver = await atTwo.Queues!.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = TimeSpan.FromMinutes(1) }, Token);
            var deliveries = new Delivery[2];
            var leasing = receiver.LeaseAsync(deliveries, Timeout.InfiniteTimeSpan, Token).AsTask();

            await atOne.Queues!.EnqueueAsync("q", Batch("a"), default, Token);

            // Woken at the other node, settled at this one, and one lock for both.
            Assert.Equal(1, await leasing.WaitAsync(TestScale.Patience, Token));
            var results = new SettleResult[1];
            await atOne.Queues.SettleAsync("q", new[] { Settlement.Complete(deliveries[0].Token) }, results, Token);
            Assert.Equal([SettleResult.Settled], results);
            await atTwo.Queues.SettleAsync("q", new[] { Settlement.Complete(deliveries[0].Token) }, results, Token);
            Assert.Equal([SettleResult.LeaseLost], results);
            Assert.NotNull(await atOne.Locks!.TryAcquireAsync("l", "one", TimeSpan.FromMinutes(1), Token));
            Assert.Null(await atTwo.Locks!.TryAcquireAsync("l", "two", TimeSpan.FromMinutes(1), Token));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static Envelope[] Batch(params string[] texts) => Array.ConvertAll(texts, text => new Envelope(Encoding.UTF8.GetBytes(text)));

    private static async Task<string> ReadAsync(IChannelSubscription subscription)
    {
        var into = new ChannelMessage[1];
        Assert.Equal(1, await subscription.ReadAsync(into, Token).AsTask().WaitAsync(TestScale.Patience, Token));
        return into[0].IsGap ? "gap" : Encoding.UTF8.GetString(into[0].Body.Span);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
