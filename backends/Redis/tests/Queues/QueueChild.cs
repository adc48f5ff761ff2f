using System.Diagnostics;
using System.Globalization;
using Millrace.Storage;
using Xunit;

namespace Millrace.Redis.Tests.Queues;

/// <summary>
/// Another process at work on queues: this assembly again, running the one explicit test below. It reports on standard output, a line for each thing that the store has acknowledged, so that
/// what it reported before it is killed is a promise.
/// </summary>
public sealed class QueueChild : IDisposable
{
    private const string UrlVariable = "MILLRACE_CHILD_URL";
    private const string RoleVariable = "MILLRACE_CHILD_ROLE";
    private const string Mark = "child: ";

    private readonly Process _process = new();
    private readonly bool _isStarted;

    /// <summary>For the runner, which makes one to call <see cref="Work"/>.</summary>
    public QueueChild()
    {
    }

    private QueueChild(Process process) => (_process, _isStarted) = (process, true);

    internal static QueueChild Start(string url, string role)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Millrace.Redis.Tests"))
        {
            RedirectStandardOutput = true,
            ArgumentList = { "-explicit", "only", "-method", $"{typeof(QueueChild).FullName}.{nameof(Work)}", "-noLogo" },
            Environment = { [UrlVariable] = url, [RoleVariable] = role },
        };
        return new QueueChild(Process.Start(start)!);
    }

    /// <summary>The next thing that the child reports; null when it has ended.</summary>
    internal async Task<string?> ReadAsync(CancellationToken cancellationToken)
    {
        while (await _process.StandardOutput.ReadLineAsync(cancellationToken) is { } line)
        {
            var mark = line.IndexOf(Mark, StringComparison.Ordinal);
            if (mark >= 0)
            {
                return line[(mark + Mark.Length)..];
            }
        }

        return null;
    }

    /// <summary>kill -9.</summary>
    internal void Kill() => _process.Kill();

    /// <summary>Whatever a test does, its children end with it.</summary>
    public void Dispose()
    {
        if (_isStarted && !_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    /// <summary>
    /// What the child does: "send FIRST COUNT TASKS" sends numbers, "work LEASE_MS TASKS" takes and completes them; both with so many tasks. Sending ends, working does not.
    /// </summary>
    [Fact(Explicit = true)]
    public async Task Work()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var url = Environment.GetEnvironmentVariable(UrlVariable);
        Assert.SkipWhen(url is null, "runs in the processes that other tests start");
        var role = Environment.GetEnvironmentVariable(RoleVariable)!.Split(' ');
        await using var backend = await RedisBackend.OpenAsync(BackendUrl.Parse(url!), new BackendContext(), cancellation);
        var numbers = Array.ConvertAll(role[1..], text => int.Parse(text, CultureInfo.InvariantCulture));
        await (role[0] == "send"
            ? Task.WhenAll(Enumerable.Range(0, numbers[2]).Select(task => SendAsync(backend.Queues!, numbers[0] + (task * numbers[1]), numbers[1], cancellation)))
            : Task.WhenAll(Enumerable.Range(0, numbers[1]).Select(_ => WorkAsync(backend.Queues!, TimeSpan.FromMilliseconds(numbers[0]), cancellation))));
    }

    private static async Task SendAsync(IQueueStore store, int first, int count, CancellationToken cancellation)
    {
        for (var number = first; number < first + count; number++)
        {
            await store.EnqueueAsync("q", new Envelope[] { new(BitConverter.GetBytes(number)) }, default, cancellation);
            Report($"sent {number}");
        }
    }

    private static async Task WorkAsync(IQueueStore store, TimeSpan lease, CancellationToken cancellation)
    {
        await using var receiver = await store.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = lease }, cancellation);
        Report("open");
        var into = new Delivery[5];
        while (true)
        {
            var count = await receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan, cancellation);
            for (var i = 0; i < count; i++)
            {
                var number = BitConverter.ToInt32(into[i].Message.Body.Span);
                Report($"taken {number}");
                var results = new SettleResult[1];
                await store.SettleAsync("q", new[] { Settlement.Complete(into[i].Token) }, results, cancellation);
                Report($"{(results[0] == SettleResult.Settled ? "done" : "lost")} {number}");
            }
        }
    }

    private static void Report(string what)
    {
        lock (Mark)
        {
            Console.Out.WriteLine(Mark + what);
            Console.Out.Flush();
        }
    }
}
