using System.Text;
using Millrace.Storage;
using Millrace.Storage.FileLog;
using Xunit;
using static Millrace.Tests.Storage.FileLog.Simulation.SimulatedFolder;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>What simulated histories have found to be different after a restart, each by itself; with and without a checkpoint between.</summary>
public sealed class RestartTests
{
    private readonly SimulatedFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task TheSuccessorOfADeletedQueue_KeepsItsOwnBindings_AndNoOthers(bool clean)
    {
        var pattern = TopicPattern.Parse("orders.*");
        var other = TopicPattern.Parse("mails.*");
        var backend = await _folder.OpenAsync();
        var routing = backend.Require<IQueueRouting>();
        await SendAsync(backend, "q", "first");
        await routing.BindAsync("q", other, Cancellation);
        await backend.Require<IQueueAdmin>().DeleteQueueAsync("q", Cancellation);
        await SendAsync(backend, "q", "second");
        await routing.BindAsync("q", pattern, Cancellation);
        await EndAsync(backend, clean);

        await using var again = await _folder.OpenAsync();
        routing = again.Require<IQueueRouting>();
        await routing.PublishAsync("mails.new", new[] { new Envelope("to nobody"u8.ToArray()) }, Cancellation);
        await routing.PublishAsync("orders.new", new[] { new Envelope("third"u8.ToArray()) }, Cancellation);
        Assert.Equal(["second", "third"], await DrainAsync(again, "q"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ADeadLetterThatWasLeasedAgain_KeepsWhyItDied(bool clean)
    {
        var backend = await _folder.OpenAsync();
        await SendAsync(backend, "q", "poison");
        await using (var receiver = await backend.Queues.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation))
        {
            var into = new Delivery[1];
            Assert.Equal(1, await receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation));
            await backend.Queues.SettleAsync("q", new[] { Settlement.DeadLetter(into[0].Token, "rejected", "the first error") }, default, Cancellation);
        }

        var dead = await backend.Queues.OpenReceiverAsync("q!dead", new ReceiverOptions(), Cancellation);
        var letters = new Delivery[1];
        Assert.Equal(1, await dead.LeaseAsync(letters, TimeSpan.Zero, Cancellation));
        await backend.Queues.SettleAsync("q!dead", new[] { Settlement.Release(letters[0].Token, TimeSpan.Zero, error: "a later error") }, default, Cancellation);
        await dead.DisposeAsync();
        await EndAsync(backend, clean);

        await using var again = await _folder.OpenAsync();
        await using var reader = await again.Queues.OpenReceiverAsync("q!dead", new ReceiverOptions(), Cancellation);
        Assert.Equal(1, await reader.LeaseAsync(letters, TimeSpan.Zero, Cancellation));
        var letter = letters[0].Message.DeadLetter!;
        Assert.Equal(("rejected", "the first error", 1), (letter.Reason, letter.LastError, letter.Attempts));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AMessageThatIsDueAtTheTickOfTheRestart_ComesBehindThoseThatWereReady(bool clean)
    {
        var backend = await _folder.OpenAsync();
        await SendAsync(backend, "q", "delayed", delay: TimeSpan.FromMinutes(1));
        await SendAsync(backend, "q", "ready");
        await EndAsync(backend, clean);

        _folder.Clock.Advance(TimeSpan.FromMinutes(1));
        await using var again = await _folder.OpenAsync();
        Assert.Equal(["ready", "delayed"], await DrainAsync(again, "q"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AMessageThatIsStoredFarFromTheHead_IsInItsPlace_WhateverCameBesideIt(bool clean)
    {
        // No memory for messages: from the second on, they are stored in the journal alone.
        var folder = new SimulatedFolder { Options = "segmentBytes=4096&memoryBytes=0" };
        var backend = await folder.OpenAsync();
        for (var i = 0; i < 20; i++)
        {
            await SendAsync(backend, "q", $"{i:00}", id: i % 2 == 0 ? $"id-{i}" : null);
        }

        await SendAsync(backend, "q", "mortal", life: TimeSpan.FromHours(1));
        await SendAsync(backend, "q", "delayed", delay: TimeSpan.FromMinutes(1));
        await SendAsync(backend, "q", "last");
        await SendAsync(backend, "q", "a repeat", id: "id-4");
        string[] expected = [.. Enumerable.Range(0, 20).Select(i => $"{i:00}"), "mortal", "last"];
        Assert.Equal(expected, await BrowseAsync(backend));
        if (!clean)
        {
            await backend.AbandonAsync();
        }
        else
        {
            await backend.DisposeAsync();
        }

        await using var again = await folder.OpenAsync();
        Assert.Equal(expected, await BrowseAsync(again));
        Assert.Equal(expected, await DrainAsync(again, "q"));
        folder.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(["delayed"], await DrainAsync(again, "q"));
    }

    private static async Task<List<string>> BrowseAsync(Backend backend)
    {
        var page = await backend.Require<IQueueAdmin>().BrowseAsync("q", new BrowseQuery { State = MessageState.Ready, Limit = 100 }, Cancellation);
        return [.. page.Messages.Select(message => Encoding.UTF8.GetString(message.Message.Body.Span))];
    }

    private static ValueTask EndAsync(FileBackend backend, bool clean) => clean ? backend.DisposeAsync() : backend.AbandonAsync();
}
