using System.Globalization;
using System.Text.Json;
using Xunit;

namespace Millrace.Cli.Tests.Processes;

/// <summary>
/// What the processes of a kill loop were promised, as they reported it before they died, and the oracle over it. Safe for concurrent use.
/// </summary>
internal sealed class KillJournal
{
    private readonly Lock _gate = new();
    private readonly HashSet<int> _acknowledged = [];
    private readonly Dictionary<int, List<int>> _leases = [];
    private readonly Dictionary<int, (string How, int Attempt)> _settled = [];
    private readonly HashSet<int> _handled = [];
    private readonly List<(long At, TaskCompletionSource Reached)> _waiters = [];
    private long _events;

    /// <summary>Ids that the sender was told are stored.</summary>
    public int[] Acknowledged
    {
        get
        {
            lock (_gate)
            {
                return [.. _acknowledged];
            }
        }
    }

    /// <summary>Ids whose completion or dead-lettering was acknowledged.</summary>
    public int SettledCount
    {
        get
        {
            lock (_gate)
            {
                return _settled.Count;
            }
        }
    }

    /// <summary>Ids that a command has handled, or that were settled.</summary>
    public int HandledCount
    {
        get
        {
            lock (_gate)
            {
                return _handled.Count;
            }
        }
    }

    /// <summary>A line of <c>millrace send --json</c>.</summary>
    public void OnSent(string line)
    {
        // The last line of a killed process may be half a line: it promises nothing.
        if (line.EndsWith('}') && JsonElement.Parse(line).GetProperty("id").GetString() is { } id)
        {
            lock (_gate)
            {
                _acknowledged.Add(int.Parse(id, CultureInfo.InvariantCulture));
            }

            Advance();
        }
    }

    /// <summary>A line of the crash worker: verb, id, attempt.</summary>
    public void OnWorked(string line)
    {
        if (line.Split(' ') is not [var verb, var idText, var attemptText] || attemptText.Length == 0)
        {
            return;
        }

        var id = int.Parse(idText, CultureInfo.InvariantCulture);
        var attempt = int.Parse(attemptText, CultureInfo.InvariantCulture);
        lock (_gate)
        {
            if (verb is "lease")
            {
                OnLeasedLocked(id, attempt);
            }
            else if (verb is "done" or "dead")
            {
                _handled.Add(id);
                Assert.True(_settled.TryAdd(id, (verb, attempt)), $"Message {id} was settled twice: {line} after {_settled[id]}.");
            }
        }

        Advance();
    }

    /// <summary>A line that a command of <c>millrace work --exec</c> wrote: id, attempt.</summary>
    public void OnHandledByCommand(string line)
    {
        if (line.Split(' ') is [var idText, var attempt] && attempt.Length > 0)
        {
            var id = int.Parse(idText, CultureInfo.InvariantCulture);
            lock (_gate)
            {
                _handled.Add(id);
                OnLeasedLocked(id, int.Parse(attempt, CultureInfo.InvariantCulture));
            }

            Advance();
        }
    }

    /// <summary>Ends when so many more things have been promised.</summary>
    public Task AfterEventsAsync(int count)
    {
        lock (_gate)
        {
            var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiters.Add((_events + count, reached));
            return reached.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Q11, over everything that was seen.</summary>
    /// <param name="deadIds">What stands in the dead-letter queue at the end.</param>
    public void Check(IReadOnlyList<int> deadIds)
    {
        var lost = _acknowledged.Where(id => !_leases.ContainsKey(id)).ToList();
        Assert.True(lost.Count == 0, $"{lost.Count} acknowledged messages were never handled: {string.Join(", ", lost.Take(20))}");

        var revived =
            from settled in _settled
            from attempt in _leases.GetValueOrDefault(settled.Key, [])
            where attempt > settled.Value.Attempt
            select $"{settled.Key} ({settled.Value.How} in attempt {settled.Value.Attempt}, given out again in attempt {attempt})";
        Assert.Empty(revived);

        var dead = deadIds.ToHashSet();
        Assert.Equal(deadIds.Count, dead.Count);
        Assert.Empty(_settled.Where(settled => settled.Value.How == "dead" && !dead.Contains(settled.Key)).Select(settled => settled.Key));
        Assert.Empty(_settled.Where(settled => settled.Value.How == "done" && dead.Contains(settled.Key)).Select(settled => settled.Key));
        Assert.All(dead, id => Assert.Equal(9, id % 10));
    }

    private void OnLeasedLocked(int id, int attempt)
    {
        if (!_leases.TryGetValue(id, out var attempts))
        {
            _leases[id] = attempts = [];
        }

        attempts.Add(attempt);
    }

    private void Advance()
    {
        lock (_gate)
        {
            _events++;
            _waiters.RemoveAll(waiter => waiter.At <= _events && waiter.Reached.TrySetResult());
        }
    }
}
