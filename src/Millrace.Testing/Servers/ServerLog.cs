using System.Diagnostics;

namespace Millrace.Testing.Servers;

/// <summary>The lines that a server has written, over all its starts, and who waits for one. Safe for concurrent use.</summary>
internal sealed class ServerLog(string server)
{
    private readonly Lock _gate = new();
    private readonly List<string> _lines = [];
    private readonly List<Waiter> _waiters = [];
    private int _runs;

    /// <summary>How many lines there are.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _lines.Count;
            }
        }
    }

    public override string ToString()
    {
        lock (_gate)
        {
            return string.Join('\n', _lines);
        }
    }

    /// <summary>Takes in what a process writes until it ends.</summary>
    public void Follow(Process process)
    {
        lock (_gate)
        {
            _runs++;
        }

        _ = FollowAsync(process.StandardOutput, process.StandardError);
    }

    /// <summary>Waits until a line contains a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="from">How many lines not to look at.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The line; null when the server has ended without writing it.</returns>
    public async Task<string?> WaitAsync(string text, int from, CancellationToken cancellationToken)
    {
        Waiter waiter;
        lock (_gate)
        {
            for (var i = from; i < _lines.Count; i++)
            {
                if (_lines[i].Contains(text, StringComparison.Ordinal))
                {
                    return _lines[i];
                }
            }

            if (_runs == 0)
            {
                return null;
            }

            _waiters.Add(waiter = new Waiter(text));
        }

        try
        {
            return await waiter.Found.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            throw new OperationCanceledException($"The {server} has not written '{text}' in time. Its log:\n{this}", cancellationToken);
        }
        finally
        {
            lock (_gate)
            {
                _waiters.Remove(waiter);
            }
        }
    }

    private async Task FollowAsync(StreamReader output, StreamReader error)
    {
        await Task.WhenAll(ReadAsync(output), ReadAsync(error)).ConfigureAwait(false);
        Waiter[] left = [];
        lock (_gate)
        {
            if (--_runs == 0)
            {
                left = [.. _waiters];
            }
        }

        foreach (var waiter in left)
        {
            waiter.Found.TrySetResult(null);
        }
    }

    private async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync().ConfigureAwait(false) is { } line)
        {
            Waiter[] found;
            lock (_gate)
            {
                _lines.Add(line);
                found = [.. _waiters.Where(waiter => line.Contains(waiter.Text, StringComparison.Ordinal))];
            }

            foreach (var waiter in found)
            {
                waiter.Found.TrySetResult(line);
            }
        }
    }

    private sealed class Waiter(string text)
    {
        public string Text => text;

        public TaskCompletionSource<string?> Found { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
