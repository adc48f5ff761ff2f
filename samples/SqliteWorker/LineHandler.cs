using System.Numerics;
using System.Text.Json;
using Millrace.Client;
using Millrace.Pipeline;

namespace SqliteWorker;

/// <summary>
/// Handles a line of JSON. Of the lines, by the hash of their bytes, the first <paramref name="failPercent"/> % fail at every attempt and end in the dead letters;
/// as many fail at their first attempt only.
/// </summary>
internal sealed class LineHandler(int failPercent) : IMessageHandler<JsonElement>
{
    public Task HandleAsync(JsonElement message, MessageContext context, CancellationToken cancellationToken)
    {
        var lot = LotOf(context.Message.Body.Span);
        if (lot < failPercent)
        {
            throw new InvalidDataException($"Lot {lot} fails for good, on purpose.");
        }

        if (lot < 2 * failPercent && context.Attempt == 1)
        {
            throw new InvalidDataException($"Lot {lot} fails once, on purpose.");
        }

        return Task.CompletedTask;
    }

    // The same in every process and run, so that a redriven message fails again unless the percentage has changed.
    private static int LotOf(ReadOnlySpan<byte> body)
    {
        var hash = uint.MaxValue;
        foreach (var b in body)
        {
            hash = BitOperations.Crc32C(hash, b);
        }

        return (int)(hash % 100);
    }
}
