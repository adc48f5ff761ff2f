using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>A stream of events that must show a sign of life now and then: a half-open connection would otherwise be waited for without end.</summary>
internal sealed class LivelyStream : Stream
{
    private static readonly TimeSpan LongestSilence = EventNames.KeepAlive * 3;

    private readonly Stream _inner;
    private readonly CancellationTokenSource _silence;

    public LivelyStream(Stream inner, CancellationToken closing)
    {
        _inner = inner;
        _silence = CancellationTokenSource.CreateLinkedTokenSource(closing);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _silence.CancelAfter(LongestSilence);
        return await _inner.ReadAsync(buffer, _silence.Token).ConfigureAwait(false);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Events are read asynchronously.");

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _silence.Dispose();
            _inner.Dispose();
        }

        base.Dispose(disposing);
    }
}
