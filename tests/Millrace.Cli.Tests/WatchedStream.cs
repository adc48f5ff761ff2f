using System.Text;

namespace Millrace.Cli.Tests;

/// <summary>An output whose text can be waited for.</summary>
internal sealed class WatchedStream : MemoryStream
{
    private readonly Lock _gate = new();
    private readonly List<(string Text, int From, TaskCompletionSource Seen)> _waiting = [];

    /// <summary>What has been written so far.</summary>
    public string Text
    {
        get
        {
            lock (_gate)
            {
                return Encoding.UTF8.GetString(ToArray());
            }
        }
    }

    /// <summary>Ends when <paramref name="text"/> is written after this call.</summary>
    public Task WaitForAsync(string text, CancellationToken cancellationToken)
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _waiting.Add((text, (int)Length, seen));
        }

        return seen.Task.WaitAsync(TimeSpan.FromSeconds(60), cancellationToken);
    }

    public override void Write(byte[] buffer, int offset, int count)
    {
        lock (_gate)
        {
            base.Write(buffer, offset, count);
            var written = ToArray();
            foreach (var (text, from, seen) in _waiting)
            {
                if (Encoding.UTF8.GetString(written, from, written.Length - from).Contains(text, StringComparison.Ordinal))
                {
                    seen.TrySetResult();
                }
            }
        }
    }

    public override void Write(ReadOnlySpan<byte> buffer) => Write(buffer.ToArray(), 0, buffer.Length);
}
