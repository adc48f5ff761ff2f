using System.Text;
using Millrace.Storage;
using Millrace.Storage.FileLog;
using Xunit;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>Dead letters of <c>file:</c> wait in the files alone, and are nevertheless whole.</summary>
public sealed class DeadLetterTests
{
    private const int Count = 20;

    private readonly SimulatedFolder _folder = new() { Options = "segmentBytes=65536" };
    private int _reads;

    public DeadLetterTests() => _folder.Disk.Before = (operation, _) => _reads += operation == "read" ? 1 : 0;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task DeadLetters_AreReadFromTheFiles_AsTheyWereSent(bool? isCleanRestart)
    {
        var backend = await KillAsync();
        if (isCleanRestart is { } isClean)
        {
            await (isClean ? backend.DisposeAsync() : backend.AbandonAsync());
            backend = await _folder.OpenAsync();
        }

        await using var open = backend;
        var before = _reads;
        var page = await backend.Require<IQueueAdmin>().BrowseAsync("q!dead", new BrowseQuery(), Cancellation);

        Assert.True(_reads - before >= Count, $"{_reads - before} reads for {Count} dead letters: their bodies are in memory.");
        Assert.Equal(Enumerable.Range(0, Count).Select(BodyOf), page.Messages.Select(message => Encoding.UTF8.GetString(message.Message.Body.Span)));
        Assert.All(page.Messages, (message, i) =>
        {
            Assert.Equal(($"id-{i}", $"key {i % 3}", "header"), (message.Message.Id.ToString(), message.Message.Key, message.Message.Headers["name"]));
            Assert.Equal(("rejected", "an error", 1), (message.Message.DeadLetter?.Reason, message.Message.DeadLetter?.LastError, message.Message.DeadLetter?.Attempts));
            Assert.Null(message.Message.ExpiresAt);
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WhatIsRedriven_IsAsItWasSent_ButForItsLife(bool isCleanRestart)
    {
        var backend = await KillAsync();
        Assert.Equal(Count, await backend.Require<IQueueAdmin>().RedriveAsync("q", DeadLetterFilter.All, Cancellation));
        await (isCleanRestart ? backend.DisposeAsync() : backend.AbandonAsync());
        await using var again = await _folder.OpenAsync();
        _folder.Clock.Advance(TimeSpan.FromHours(2));

        var page = await again.Require<IQueueAdmin>().BrowseAsync("q", new BrowseQuery(), Cancellation);

        Assert.Equal(Enumerable.Range(0, Count).Select(BodyOf), page.Messages.Select(message => Encoding.UTF8.GetString(message.Message.Body.Span)));
        Assert.All(page.Messages, message => Assert.Equal((null, null, 0), (message.Message.DeadLetter, message.Message.ExpiresAt, message.Attempts)));
    }

    [Fact]
    public async Task ADeadLetterThatIsReleased_IsReadFromTheFilesAgain()
    {
        await using var backend = await KillAsync();
        await using var receiver = await backend.Queues.OpenReceiverAsync("q!dead", new ReceiverOptions(), Cancellation);
        var into = new Delivery[1];
        Assert.Equal(1, await receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation));
        Assert.Equal(BodyOf(0), Encoding.UTF8.GetString(into[0].Message.Body.Span));
        await backend.Queues.SettleAsync("q!dead", new[] { Settlement.Release(into[0].Token, TimeSpan.Zero, error: "later") }, default, Cancellation);

        // The disk has changed since: nobody would see that of what is in memory.
        Assert.Equal(1, _folder.Flip(BodyOf(0)));

        Assert.Equal(1, await receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation));
        Assert.NotEqual("id-0", into[0].Message.Id.ToString());
        Assert.Equal("rejected", into[0].Message.DeadLetter!.Reason);
    }

    /// <summary>A queue all of whose messages have died.</summary>
    private async Task<FileBackend> KillAsync()
    {
        var backend = await _folder.OpenAsync();
        var sent = Enumerable.Range(0, Count).Select(i => new Envelope(Encoding.UTF8.GetBytes(BodyOf(i)))
        {
            Id = new MessageId($"id-{i}"),
            Key = $"key {i % 3}",
            Headers = MessageHeaders.Create([new("name", "header")]),
            TimeToLive = TimeSpan.FromHours(1),
        });
        await backend.Queues.EnqueueAsync("q", sent.ToArray(), default, Cancellation);
        await using var receiver = await backend.Queues.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var into = new Delivery[1];
        while (await receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation) > 0)
        {
            await backend.Queues.SettleAsync("q", new[] { Settlement.DeadLetter(into[0].Token, "rejected", "an error") }, default, Cancellation);
        }

        return backend;
    }

    private static string BodyOf(int number) => $"body {number:00} {new string('x', 200)}";
}
