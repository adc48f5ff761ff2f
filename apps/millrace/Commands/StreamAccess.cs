using System.CommandLine;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.App.Commands;

/// <summary>What the commands of streams share: the catalog of a backend, and the options that name a partition or a place in it.</summary>
internal static class StreamAccess
{
    public static Argument<string> Stream(string description = "The stream.") => new("STREAM") { Description = description };

    public static Option<int?> Partition(string description) => new("--partition") { Description = description, HelpName = "N" };

    public static Option<StartingPoint?> Point(string name, string description) => new(name)
    {
        Description = $"{description}: {StartingPoint.Forms}.",
        HelpName = "WHERE",
        CustomParser = result =>
        {
            if (StartingPoint.TryParse(result.Tokens[0].Value, out var point))
            {
                return point;
            }

            result.AddError($"{name} takes {StartingPoint.Forms}, not '{result.Tokens[0].Value}'.");
            return null;
        },
    };

    /// <summary>The streams of a backend. Disposing closes the partitions, not the backend.</summary>
    public static Catalog Open(Backend backend, CliContext context) => new(backend, context.TimeProvider);

    /// <summary>A stream that must exist.</summary>
    public static async ValueTask<StreamInfo> RequireAsync(this StreamCatalog streams, string stream, CancellationToken cancellationToken)
    {
        ResourceName.Require(stream, "stream");
        return await streams.GetAsync(stream, cancellationToken) ?? throw new StreamNotFoundException(stream);
    }

    /// <summary>The partitions that are meant: one, or all.</summary>
    public static IReadOnlyList<int> PartitionsOf(StreamInfo stream, int? only) => only switch
    {
        null => [.. Enumerable.Range(0, stream.Settings.Partitions)],
        >= 0 when only < stream.Settings.Partitions => [only.Value],
        _ => throw new UsageException($"Stream '{stream.Name}' has no partition {only}: it has {stream.Settings.Partitions}, numbered from 0."),
    };

    /// <summary>The catalog with what it opened.</summary>
    internal sealed class Catalog(Backend backend, TimeProvider timeProvider) : IAsyncDisposable
    {
        public StreamCatalog Streams { get; } = new(backend.Require<IStreamStore>(), backend.Require<IStateStore>(), timeProvider);

        public ValueTask DisposeAsync() => Streams.CloseAsync();
    }
}
