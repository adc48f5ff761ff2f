using System.Diagnostics;
using Millrace.Storage;
using Xunit;

namespace Millrace.Sqlite.Tests;

/// <summary>
/// Another process at work on a file: this assembly again, running the one explicit test below. It reports on standard output, a line for each thing that has
/// happened, so that what it reported before it is killed is known.
/// </summary>
public sealed class ChildProcess : IDisposable
{
    private const string UrlVariable = "MILLRACE_CHILD_URL";
    private const string RoleVariable = "MILLRACE_CHILD_ROLE";
    private const string Mark = "child: ";

    private readonly Process _process;
    private readonly bool _isStarted;

    private ChildProcess(Process process) => (_process, _isStarted) = (process, true);

    /// <summary>For the runner, which makes one to call <see cref="Work"/>.</summary>
    public ChildProcess() => _process = new Process();

    internal static ChildProcess Start(string url, string role, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Millrace.Sqlite.Tests"))
        {
            RedirectStandardOutput = true,
            ArgumentList = { "-explicit", "only", "-method", $"{typeof(ChildProcess).FullName}.{nameof(Work)}", "-noLogo" },
            Environment = { [UrlVariable] = url, [RoleVariable] = role },
        };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        return new ChildProcess(Process.Start(start)!);
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
    internal async Task KillAsync(CancellationToken cancellationToken)
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync(cancellationToken);
    }

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
    /// What the child does: sends numbers, binds a queue to numbered topics, works numbers off, or takes one and keeps it, and never ends by itself; or looks how many there are, or what an opening
    /// says, and ends.
    /// </summary>
    [Fact(Explicit = true)]
    public async Task Work()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var url = Environment.GetEnvironmentVariable(UrlVariable);
        Assert.SkipWhen(url is null, "runs in the processes that other tests start");
        var role = Environment.GetEnvironmentVariable(RoleVariable)!.Split(' ');
        if (role[0] == "fail")
        {
            Report((await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await SqliteBackend.OpenAsync(BackendUrl.Parse(url!), new BackendContext(), cancellation))).Message);
            return;
        }

        await using var backend = await SqliteBackend.OpenAsync(BackendUrl.Parse(url!), new BackendContext(), cancellation);
        if (role[0] == "count")
        {
            var stats = await backend.Require<IQueueAdmin>().GetStatsAsync("q", cancellation);
            Report($"ready {stats.Ready}");
            return;
        }

        if (role[0] == "bind")
        {
            for (var number = 0; ; number++)
            {
                await backend.Require<IQueueRouting>().BindAsync("q", TopicPattern.Parse($"t.{number}"), cancellation);
                Report($"bound {number}");
            }
        }

        if (role[0] == "send")
        {
            for (var number = int.Parse(role[1], System.Globalization.CultureInfo.InvariantCulture); ; number++)
            {
                await backend.Queues!.EnqueueAsync("q", new Envelope[] { new(BitConverter.GetBytes(number)) }, default, cancellation);
                Report($"sent {number}");
            }
        }

        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = TimeSpan.FromHours(1) }, cancellation);
        Report("open");
        var into = new Delivery[role[0] == "hold" ? 1 : 5];
        while (true)
        {
            var count = await receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan, cancellation);
            for (var i = 0; i < count; i++)
            {
                var number = BitConverter.ToInt32(into[i].Message.Body.Span);
                Report($"taken {number}");
                if (role[0] == "work")
                {
                    await backend.Queues!.SettleAsync("q", new[] { Settlement.Complete(into[i].Token) }, default, cancellation);
                    Report($"done {number}");
                }
            }
        }
    }

    private static void Report(string what)
    {
        Console.Out.WriteLine(Mark + what);
        Console.Out.Flush();
    }
}
