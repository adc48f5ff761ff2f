using System.Text;

namespace Millrace.Storage;

/// <summary>The limits of a message, checked by every store at its door, so that bad input gets the same clear error everywhere and nothing of its batch is stored.</summary>
public static class EnvelopeRules
{
    /// <summary>The longest id, key and content type, in bytes of UTF-8.</summary>
    public const int MaxTextBytes = 200;

    /// <summary>The most headers of one message.</summary>
    public const int MaxHeaders = 256;

    /// <summary>Checks a batch.</summary>
    /// <exception cref="InvalidMessageException">Says which message of the batch breaks which limit.</exception>
    public static void Require(ReadOnlySpan<Envelope> batch, QueueCapabilities capabilities)
    {
        ArgumentNullException.ThrowIfNull(capabilities);
        for (var i = 0; i < batch.Length; i++)
        {
            ref readonly var envelope = ref batch[i];
            if (envelope.Body.Length > capabilities.MaxBodyBytes)
            {
                throw Invalid(i, batch.Length, $"its body has {envelope.Body.Length:N0} bytes, the limit is {capabilities.MaxBodyBytes:N0}");
            }

            if ((uint)envelope.Priority > MessagePriority.Highest)
            {
                throw Invalid(i, batch.Length, $"its priority is {envelope.Priority}, allowed are {MessagePriority.Lowest} to {MessagePriority.Highest}");
            }

            if (envelope.Delay < TimeSpan.Zero || envelope.Delay > capabilities.MaxDelay)
            {
                throw Invalid(i, batch.Length, $"its delay is {envelope.Delay}, allowed are 0 to {capabilities.MaxDelay}");
            }

            if (envelope.TimeToLive is { } timeToLive && (timeToLive <= TimeSpan.Zero || timeToLive > capabilities.MaxDelay))
            {
                throw Invalid(i, batch.Length, $"its time to live is {timeToLive}, allowed are times above 0 up to {capabilities.MaxDelay}");
            }

            if (!envelope.Id.IsEmpty && !envelope.Id.TryGetUuid(out _))
            {
                RequireText(i, batch.Length, "id", envelope.Id.ToString());
            }

            if (envelope.Key is not null)
            {
                RequireText(i, batch.Length, "key", envelope.Key);
            }

            if (envelope.ContentType is not null)
            {
                RequireText(i, batch.Length, "content type", envelope.ContentType);
            }

            if (envelope.Headers is { Count: > 0 } headers)
            {
                RequireHeaders(i, batch.Length, headers, capabilities.MaxHeaderBytes);
            }
        }
    }

    /// <summary>Checks a message that is published to a channel.</summary>
    /// <exception cref="InvalidMessageException">It breaks a limit, or wishes for something that only a queue can do.</exception>
    public static void RequireForChannel(in Envelope envelope, QueueCapabilities limits)
    {
        Require(new ReadOnlySpan<Envelope>(in envelope), limits);
        var wish = !envelope.Id.IsEmpty ? "an id"
            : envelope.Key is not null ? "a key"
            : envelope.Priority != MessagePriority.Default ? "a priority"
            : envelope.Delay != TimeSpan.Zero ? "a delay"
            : envelope.TimeToLive is not null ? "a time to live"
            : null;
        if (wish is not null)
        {
            throw new InvalidMessageException($"The message was refused: it has {wish}, which means something to a queue and nothing to a channel.");
        }
    }

    private static void RequireHeaders(int index, int count, MessageHeaders headers, int maxBytes)
    {
        if (headers.Count > MaxHeaders)
        {
            throw Invalid(index, count, $"it has {headers.Count:N0} headers, the limit is {MaxHeaders}");
        }

        var bytes = 0L;
        foreach (var header in headers.AsSpan())
        {
            bytes += Encoding.UTF8.GetByteCount(header.Key) + Encoding.UTF8.GetByteCount(header.Value);
        }

        if (bytes > maxBytes)
        {
            throw Invalid(index, count, $"its headers have {bytes:N0} bytes, the limit is {maxBytes:N0}");
        }
    }

    private static void RequireText(int index, int count, string what, string text)
    {
        if (text.Length == 0 || text.Length > MaxTextBytes || Encoding.UTF8.GetByteCount(text) > MaxTextBytes || text.AsSpan().ContainsAnyInRange('\0', '\x1f'))
        {
            throw Invalid(index, count, $"its {what} must have 1 to {MaxTextBytes} bytes of UTF-8 and no control characters");
        }
    }

    private static InvalidMessageException Invalid(int index, int count, string reason) =>
        new(count == 1 ? $"The message was refused: {reason}." : $"Message {index + 1} of {count} was refused, and the batch with it: {reason}.");
}
