using System.Text;
using System.Threading.Channels;
using Millrace.Redis.Client;

namespace Millrace.Redis.Tests.Client;

/// <summary>Keeps what it is told, for a test that waits for it.</summary>
internal sealed class RecordingListener : IRedisListener
{
    private readonly Channel<string> _events = Channel.CreateUnbounded<string>();

    public int Count => _events.Reader.Count;

    public void OnMessage(ReadOnlySpan<byte> channel, ReadOnlyMemory<byte> payload) =>
        _events.Writer.TryWrite($"{Encoding.UTF8.GetString(channel)}: {Encoding.UTF8.GetString(payload.Span)}");

    public void OnResubscribed() => _events.Writer.TryWrite("resubscribed");

    public ValueTask<string> NextAsync(CancellationToken cancellationToken) => _events.Reader.ReadAsync(cancellationToken);

    /// <summary>The next of these, whatever comes before.</summary>
    public async Task WaitForAsync(string expected, CancellationToken cancellationToken)
    {
        while (await NextAsync(cancellationToken) != expected)
        {
            // What came before does not matter.
        }
    }
}
