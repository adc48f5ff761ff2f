using Microsoft.Extensions.Logging;
using Millrace.Pipeline;

namespace Millrace.Streams;

/// <summary>What a client gives to its producers and consumers.</summary>
/// <param name="Catalog">The streams.</param>
/// <param name="Settings">Serializers and telemetry.</param>
/// <param name="TimeProvider">The clock.</param>
/// <param name="Logger">Where to log.</param>
/// <param name="OnDisposed">Called by a producer or consumer that is being disposed.</param>
internal sealed record StreamEnvironment(StreamCatalog Catalog, PipelineSettings Settings, TimeProvider TimeProvider, ILogger Logger, Action<IAsyncDisposable> OnDisposed);
