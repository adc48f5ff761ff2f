using Millrace.Storage;
using Xunit;

namespace Millrace.Sqlite.Tests;

/// <summary>Several processes on one file, and their sudden death.</summary>
public sealed class ProcessTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task AWaitingReceiver_IsWokenByAnotherProcess()
    {
        await using var backend = await OpenAsync();
        using var child = ChildProcess.Start(_folder.Url(), "work");
        Assert.Equal("open", await child.ReadAsync(Cancellation));
        for (var number = 0; number < 5; number++)
        {
            await SendAsync(backend, number);
            Assert.Equal($"taken {number}", await child.ReadAsync(Cancellation));
            Assert.Equal($"done {number}", await child.ReadAsync(Cancellation));
        }

        await child.KillAsync(Cancellation);
    }

    [Fact]
    public async Task LeasesOfALivingProcess_Hold_AndEndAtOnceWhenItIsKilled()
    {
        await using var backend = await OpenAsync();
        using var child = ChildProcess.Start(_folder.Url(), "hold");
        Assert.Equal("open", await child.ReadAsync(Cancellation));
        await SendAsync(backend, 7);
        Assert.Equal("taken 7", await child.ReadAsync(Cancellation));

        // A new opening sweeps the dead; the child lives, and keeps its message.
        await using (var another = await OpenAsync())
        {
            await using var poller = await another.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
            Assert.Equal(0, await poller.LeaseAsync(new Delivery[1], TimeSpan.Zero, Cancellation));
        }

        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var into = new Delivery[1];
        var waiting = receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan, Cancellation).AsTask();
        await child.KillAsync(Cancellation);

        Assert.Equal(1, await waiting.WaitAsync(TestScale.Patience, Cancellation));
        Assert.Equal((2, true), (into[0].Attempt, into[0].Redelivered));
    }

    [Fact]
    public async Task KilledAtAnyInstant_NothingAcknowledgedIsLost_AndNothingSettledComesBack()
    {
        var random = TestScale.CreateRandom();
        var rounds = TestScale.IsFull ? 50 : 3;
        var sent = new HashSet<string>();
        var taken = new HashSet<string>();
        var done = new HashSet<string>();
        for (var round = 0; round < rounds; round++)
        {
            using var sender = ChildProcess.Start(_folder.Url("busyTimeoutMs=30000"), $"send {round * 1_000_000}");
            using var worker = ChildProcess.Start(_folder.Url("busyTimeoutMs=30000"), "work");
            var reports = random.Next(1, 500);
            var senderFirst = random.Next(2) == 0;
            async Task CountAsync()
            {
                // The sender never stops by itself, so the count is reached whatever the worker finds to do.
                if (Interlocked.Decrement(ref reports) == 0)
                {
                    await (senderFirst ? sender : worker).KillAsync(Cancellation);
                    await (senderFirst ? worker : sender).KillAsync(Cancellation);
                }
            }

            await Task.WhenAll(CollectAsync(sender, CountAsync, sent, taken, done), CollectAsync(worker, CountAsync, sent, taken, done));
        }

        await using var backend = await OpenAsync();
        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var left = new HashSet<string>();
        var into = new Delivery[100];
        int count;
        while ((count = await receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation)) > 0)
        {
            for (var i = 0; i < count; i++)
            {
                Assert.True(left.Add(BitConverter.ToInt32(into[i].Message.Body.Span).ToString(System.Globalization.CultureInfo.InvariantCulture)), "A message was stored twice.");
            }
        }

        // What was taken may have been settled in the instant before the kill, without the report.
        Assert.Empty(sent.Except(left).Except(done).Except(taken));
        Assert.Empty(done.Intersect(left));
        Assert.NotEmpty(sent);
    }

    [Fact]
    public async Task AProcessThatComesAndGoes_LeavesTheLogToASecondStoreOfThisOne()
    {
        await using var first = await OpenAsync();
        await using var second = await OpenAsync();
        await SendAsync(first, 1);
        Assert.Equal(["ready 1"], await RunAsync(_folder.Url(), "count"));
        Assert.True(File.Exists(_folder.File + "-wal"), "Another process took itself for the last user of the file and removed the log.");

        await SendAsync(second, 2);
        Assert.Equal(["ready 2"], await RunAsync(_folder.Url(), "count"));
    }

    [Fact]
    public async Task AProcessThatComesByALink_SeesThatTheOthersLive()
    {
        var link = _folder.File + "-link";
        await using var backend = await OpenAsync();
        File.CreateSymbolicLink(link, _folder.File);
        await SendAsync(backend, 1);
        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var into = new Delivery[1];
        Assert.Equal(1, await receiver.LeaseAsync(into, TimeSpan.Zero, Cancellation));

        Assert.Equal(["ready 0"], await RunAsync($"sqlite:{Uri.EscapeDataString(link)}", "count"));
        var results = new SettleResult[1];
        await backend.Queues.SettleAsync("q", new[] { Settlement.Complete(into[0].Token) }, results, Cancellation);
        Assert.Equal([SettleResult.Settled], results);
    }

    [Fact]
    public async Task WhereLocksOnFilesHaveNoEffect_TheStoreIsNotOpened()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "files are always locked there");
        var reports = await RunAsync(_folder.Url(), "fail", ("DOTNET_SYSTEM_IO_DISABLEFILELOCKING", "1"));
        Assert.Contains("DISABLEFILELOCKING", Assert.Single(reports), StringComparison.Ordinal);
    }

    /// <summary>What a child that ends by itself reports.</summary>
    private static async Task<List<string>> RunAsync(string url, string role, params (string Name, string Value)[] environment)
    {
        using var child = ChildProcess.Start(url, role, environment);
        var reports = new List<string>();
        while (await child.ReadAsync(Cancellation) is { } report)
        {
            reports.Add(report);
        }

        return reports;
    }

    /// <summary>Reads what a child reports until it is dead.</summary>
    private static async Task CollectAsync(ChildProcess child, Func<Task> count, HashSet<string> sent, HashSet<string> taken, HashSet<string> done)
    {
        while (await child.ReadAsync(Cancellation) is { } report)
        {
            var words = report.Split(' ');
            lock (sent)
            {
                _ = words[0] switch
                {
                    "sent" => sent.Add(words[1]),
                    "taken" => taken.Add(words[1]),
                    "done" => done.Add(words[1]),
                    _ => false,
                };
            }

            await count();
        }
    }

    private async Task<Backend> OpenAsync() => await SqliteBackend.OpenAsync(BackendUrl.Parse(_folder.Url()), new BackendContext(), Cancellation);

    private static async Task SendAsync(Backend backend, int number) =>
        await backend.Queues!.EnqueueAsync("q", new Envelope[] { new(BitConverter.GetBytes(number)) }, default, Cancellation);
}
