using Millrace.App.Output;

namespace Millrace.App.Input;

/// <summary>Stores one batch.</summary>
internal delegate ValueTask StoreBatch(ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken);

/// <summary>Takes batches from a source to a store, and reports how far it came when one fails.</summary>
internal static class MessagePump
{
    /// <summary>Runs until the source ends.</summary>
    /// <returns>How many messages the store has accepted.</returns>
    public static async Task<long> RunAsync(MessageSource source, StoreBatch store, CliContext context, CancellationToken cancellationToken)
    {
        long accepted = 0, lastLine = 0;
        try
        {
            var progress = await SendProgress.StartAsync(context, source);
            await using (progress)
            {
                while (true)
                {
                    var batch = await source.ReadAsync(cancellationToken);
                    if (batch.Count == 0)
                    {
                        return accepted;
                    }

                    await store(batch.ToArray(), cancellationToken);
                    accepted += batch.Count;
                    lastLine = source.LineNumber;
                    progress?.Report(accepted);
                }
            }
        }
        catch (BackendUnavailableException exception) when (exception.MayHaveBeenApplied && source.LineNumber > 0)
        {
            // The connection was cut between the batch and its answer.
            var before = accepted > 0 ? $"{accepted:N0} messages, up to line {lastLine:N0}, had been stored before; " : "";
            await context.Error.WriteLineAsync(
                $"millrace: {before}lines {lastLine + 1:N0} to {source.LineNumber:N0} may have been stored, all or none of them; what follows was not.");
            throw;
        }
        catch (Exception exception) when (accepted > 0 && exception is not ClosedOutputException)
        {
            await context.Error.WriteLineAsync(
                $"millrace: {accepted:N0} messages, up to line {lastLine:N0}, had been stored before; what follows that line was not.");
            throw;
        }
    }
}
