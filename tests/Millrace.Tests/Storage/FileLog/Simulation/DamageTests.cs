using System.Text;
using Millrace.Storage;
using Xunit;
using static Millrace.Tests.Storage.FileLog.Simulation.SimulatedFolder;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>Files of queues that a disk has damaged.</summary>
public sealed class DamageTests
{
    private readonly SimulatedFolder _folder = new() { Options = "segmentBytes=4096&memoryBytes=0" };

    [Fact]
    public async Task ADamagedMessage_BecomesADeadLetter_AndTheQueueGoesOn()
    {
        await using (var backend = await _folder.OpenAsync())
        {
            await SendAsync(backend, "q", "first");
            await SendAsync(backend, "q", "damaged one", "its-id");
            await SendAsync(backend, "q", "third");
            Assert.Equal(1, _folder.Flip("damaged one"));
            Assert.Equal(["first", "third"], await DrainAsync(backend, "q"));
            await AssertDeadAsync(backend);
        }

        await using var again = await _folder.OpenAsync();
        await AssertDeadAsync(again);
        Assert.Equal(0, await again.Require<IQueueAdmin>().RedriveAsync("q", DeadLetterFilter.All, TestContext.Current.CancellationToken));

        // The id was used up when the message died.
        var repeat = new EnqueueResult[1];
        await again.Queues!.EnqueueAsync("q", new[] { new Envelope(new byte[1]) { Id = new MessageId("its-id") } }, repeat, TestContext.Current.CancellationToken);
        Assert.Equal(EnqueueOutcome.Duplicate, repeat[0].Outcome);
        Assert.Equal(1, await again.Require<IQueueAdmin>().PurgeAsync("q!dead", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task ADamagedMessage_DoesNotKeepTheJournalFromBeingTidied()
    {
        // The head of a queue is in memory, from where it would be written again.
        var kept = Enumerable.Range(0, 10).Select(i => $"kept {i} {new string('.', 50)}").ToList();
        await using var backend = await _folder.OpenAsync();
        await SendAsync(backend, "kept", kept[0]);
        await SendAsync(backend, "kept", "damaged one");
        foreach (var text in kept[1..])
        {
            await SendAsync(backend, "kept", text);
        }

        Assert.Equal(1, _folder.Flip("damaged one"));
        var first = _folder.Segments()[0];
        while (_folder.Disk.FileExists(first))
        {
            await SendAsync(backend, "q", new string('.', 1000));
            await DrainAsync(backend, "q");
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        }

        var rest = await DrainAsync(backend, "kept");
        Assert.Equal(kept, rest);
        await AssertDeadAsync(backend, "kept");
    }

    [Fact]
    public async Task MessagesThatAreReadTogether_AreReadAsTheyWereSent_WhicheverIsDamaged()
    {
        // The first stays in memory; of the others some have an id, a type or headers, so that their records are not alike.
        const int Count = 9;
        await using var backend = await _folder.OpenAsync();
        for (var damaged = 1; damaged < Count; damaged++)
        {
            var queue = $"q{damaged}";
            var sent = Enumerable.Range(0, Count).Select(i => Various(queue, i)).ToArray();
            foreach (var envelope in sent)
            {
                await backend.Queues!.EnqueueAsync(queue, new[] { envelope }, default, TestContext.Current.CancellationToken);
            }

            Assert.Equal(1, _folder.Flip($"{queue} message {damaged} "));
            await using var receiver = await backend.Queues!.OpenReceiverAsync(queue, new ReceiverOptions(), TestContext.Current.CancellationToken);
            var into = new Delivery[Count];
            var count = await receiver.LeaseAsync(into, TimeSpan.Zero, TestContext.Current.CancellationToken);
            var expected = sent.Where((_, i) => i != damaged).Select(Shown);
            Assert.Equal(expected, into[..count].Select(delivery => Shown(delivery.Message)));
            var dead = await backend.Require<IQueueAdmin>().BrowseAsync($"{queue}!dead", new BrowseQuery(), TestContext.Current.CancellationToken);
            Assert.Equal(DeadLetterInfo.DamagedReason, Assert.Single(dead.Messages).Message.DeadLetter!.Reason);
        }
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task OfTwoCheckpoints_OneMayBeDamaged(bool older, bool newer)
    {
        var sent = await SendManyAsync();
        Damage(older, newer);
        await using var backend = await _folder.OpenAsync();
        Assert.Equal(sent, await DrainAsync(backend, "q"));
    }

    [Fact]
    public async Task WithoutAWholeCheckpoint_AJournalThatHasBeenCutIsRefused()
    {
        await SendManyAsync();
        Damage(older: true, newer: true);
        var fault = await Assert.ThrowsAsync<StorageCorruptException>(() => _folder.OpenAsync());
        Assert.Contains("checkpoint", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DamageInTheMiddleOfWhatIsRead_IsRefusedWithFileAndOffset()
    {
        await using (var backend = await _folder.OpenAsync(new PoweredDisk(_folder.Disk)))
        {
            // No checkpoint: the whole journal is read.
            _folder.Disk.Before = (_, path) => FailIf(path.Contains("checkpoints", StringComparison.Ordinal));
            for (var i = 0; i < 100; i++)
            {
                await SendAsync(backend, "q", $"message {i} {new string('.', 300)}");
            }
        }

        _folder.Disk.Before = null;
        var middle = _folder.Segments()[2];
        _folder.Flip(middle, 200);
        var fault = await Assert.ThrowsAsync<StorageCorruptException>(() => _folder.OpenAsync());
        Assert.Contains(Path.GetFileName(middle), fault.Message, StringComparison.Ordinal);
        _folder.Flip(middle, 200);
        await using var again = await _folder.OpenAsync();
        Assert.Equal(100, (await DrainAsync(again, "q")).Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AMissingOrDamagedIdentity_IsRefused(bool missing)
    {
        await using (var backend = await _folder.OpenAsync())
        {
            await SendAsync(backend, "q", "text", "id");
        }

        var path = Path.Combine(Root, "journal", "identity");
        if (missing)
        {
            _folder.Disk.Delete(path);
        }
        else
        {
            _folder.Flip(path, 3);
        }

        var fault = await Assert.ThrowsAsync<StorageCorruptException>(() => _folder.OpenAsync());
        Assert.Contains("identity", fault.Message, StringComparison.Ordinal);
    }

    private static Envelope Various(string queue, int i) => new(Encoding.UTF8.GetBytes($"{queue} message {i} {new string('.', i)}"))
    {
        Id = i % 3 == 1 ? new MessageId($"id {i}") : i % 3 == 2 ? new MessageId($"00000000-0000-4000-8000-00000000000{i}") : default,
        ContentType = i % 4 == 0 ? "text/plain" : null,
        Headers = i % 5 == 0 ? MessageHeaders.Of(("number", $"{i}")) : MessageHeaders.Empty,
    };

    private static string Shown(Envelope envelope) => Shown(envelope.Id, envelope.Body, envelope.ContentType, envelope.Headers!);

    private static string Shown(Message message)
    {
        var isStores = message.Id.TryGetUuid(out var uuid) && uuid.Version == 7;
        return Shown(isStores ? default : message.Id, message.Body, message.ContentType, message.Headers);
    }

    private static string Shown(MessageId id, ReadOnlyMemory<byte> body, string? contentType, MessageHeaders headers) =>
        $"{id} {Encoding.UTF8.GetString(body.Span)} {contentType} {string.Join(',', headers.Select(header => header.Key + "=" + header.Value))}";

    /// <summary>Sends and takes until the journal has been cut, so that there are two checkpoints; some messages are left.</summary>
    private async Task<List<string>> SendManyAsync()
    {
        var sent = new List<string>();
        await using var backend = await _folder.OpenAsync();
        var first = "";
        for (var i = 0; first.Length == 0 || _folder.Disk.FileExists(first); i++)
        {
            await SendAsync(backend, "other", $"message {i} {new string('.', 300)}");
            await DrainAsync(backend, "other");
            first = first.Length == 0 ? _folder.Segments()[0] : first;
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        }

        for (var i = 0; i < 10; i++)
        {
            sent.Add($"left {i}");
            await SendAsync(backend, "q", sent[^1]);
        }

        return sent;
    }

    private static void FailIf(bool fails)
    {
        if (fails)
        {
            throw new IOException("The disk failed, as the test wanted.");
        }
    }

    private void Damage(bool older, bool newer)
    {
        var files = _folder.Files("checkpoints");
        Assert.Equal(2, files.Count);
        if (older)
        {
            _folder.Flip(files[0], 60);
        }

        if (newer)
        {
            _folder.Flip(files[1], 60);
        }
    }

    private static async Task AssertDeadAsync(Backend backend, string queue = "q")
    {
        var dead = await backend.Require<IQueueAdmin>().BrowseAsync($"{queue}!dead", new BrowseQuery());
        var one = Assert.Single(dead.Messages);
        Assert.Equal(DeadLetterInfo.DamagedReason, one.Message.DeadLetter!.Reason);
        Assert.Contains("checksum", one.Message.DeadLetter.LastError, StringComparison.Ordinal);
        Assert.Contains("amaged one", Encoding.UTF8.GetString(one.Message.Body.Span), StringComparison.Ordinal);
        Assert.Equal(one.Message.Id, (await backend.Require<IQueueAdmin>().GetMessageAsync($"{queue}!dead", one.Message.Id))!.Message.Id);
    }
}
