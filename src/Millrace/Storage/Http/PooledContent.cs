using System.Net;
using System.Net.Http.Headers;
using Millrace.Serialization;

namespace Millrace.Storage.Http;

/// <summary>
/// The body of a request in a pooled buffer. A server may answer before it has read everything, and a cut may leave the sending behind; so <see cref="Sent"/> says whether the
/// buffer can be given back.
/// </summary>
internal sealed class PooledContent : HttpContent
{
    private readonly PooledBuffer _body;
    private bool _isBeingSent;

    public PooledContent(PooledBuffer body, string contentType)
    {
        _body = body;
        Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
    }

    /// <summary>Whether nobody reads the buffer any more.</summary>
    public bool Sent => !Volatile.Read(ref _isBeingSent);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        Volatile.Write(ref _isBeingSent, true);
        await stream.WriteAsync(_body[..], cancellationToken).ConfigureAwait(false);
        Volatile.Write(ref _isBeingSent, false);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _body.WrittenBytes;
        return true;
    }
}
