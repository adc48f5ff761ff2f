using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Pipeline;
using Millrace.Queues;
using Millrace.Scheduling;
using Millrace.Serialization;
using Millrace.Storage;

namespace Millrace.Client;

/// <summary>How a client is opened. Filled by the function that is passed to <see cref="MillraceClient.OpenAsync"/>, read once. Not safe for concurrent use.</summary>
public sealed class MillraceClientOptions : PipelineOptions
{
    private readonly Dictionary<string, PipelineOptions> _queues = new(StringComparer.Ordinal);

    /// <summary>The backends that URLs can name; unless set, <see cref="BackendRegistry.CreateDefault"/>.</summary>
    public BackendRegistry? Backends { get; set; }

    /// <summary>The backend of streams; null, the default: the client's own.</summary>
    public string? StreamUrl { get; set; }

    /// <summary>The backend of channels; null, the default: the client's own. <c>memory:</c> pairs with a store that has none, such as SQLite, within one process.</summary>
    public string? ChannelUrl { get; set; }

    /// <summary>The backend of channels when the client's own has none and no other is named; null, the default: channels are then missing.</summary>
    internal string? ChannelUrlWhereMissing { get; set; }

    /// <summary>The backend of locks; null, the default: the client's own.</summary>
    public string? LockUrl { get; set; }

    /// <summary>The backend of state; null, the default: the client's own.</summary>
    public string? StateUrl { get; set; }

    /// <summary>The clock; the system's unless set.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>Where the client logs; nowhere unless set. A host sets its own.</summary>
    public ILoggerFactory LoggerFactory { get; set; } = NullLoggerFactory.Instance;

    /// <summary>Where handlers and middleware find services, in a scope for each attempt; nowhere unless set. A host sets its own.</summary>
    public IServiceProvider? Services { get; set; }

    /// <summary>How messages are leased for workers.</summary>
    public QueueDispatcherOptions Leasing { get; set; } = new();

    /// <summary>The serializers by name and content type.</summary>
    public MessageSerializers Serializers { get; } = new();

    /// <summary>The jobs that workers can run.</summary>
    public JobRegistry Jobs { get; } = new();

    /// <summary>How the history of runs is kept.</summary>
    public RunHistoryOptions RunHistory { get; set; } = new();

    /// <summary>The most bytes of a body before it is compressed and after it is unpacked; 32 MiB unless set. A body that would unpack to more is unreadable.</summary>
    public int MaxBodyBytes { get; set; } = QueueCapabilities.DefaultMaxBodyBytes;

    /// <summary>Sets options for one queue, on top of those of the client. May be called again for the same queue.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="configure">Sets them.</param>
    public MillraceClientOptions ForQueue(string queue, Action<PipelineOptions> configure)
    {
        ResourceName.RequireQueue(queue);
        ArgumentNullException.ThrowIfNull(configure);
        if (!_queues.TryGetValue(queue, out var options))
        {
            _queues.Add(queue, options = new PipelineOptions());
        }

        configure(options);
        return this;
    }

    /// <summary>Writes and reads JSON with source-generated metadata first: <c>options.UseJson(MyJsonContext.Default)</c>. Needed in trimmed applications.</summary>
    public MillraceClientOptions UseJson(IJsonTypeInfoResolver resolver)
    {
        ArgumentNullException.ThrowIfNull(resolver);
        var json = JsonMessageSerializer.CreateDefaultOptions();
        json.TypeInfoResolverChain.Insert(0, resolver);
        return UseJson(json);
    }

    /// <summary>Writes and reads JSON with these options, which become read-only.</summary>
    public MillraceClientOptions UseJson(JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Serializers.Add("json", new JsonMessageSerializer(options), replace: true);
        return this;
    }

    internal PipelineOptions? OptionsOf(string? queue) => queue is null ? null : _queues.GetValueOrDefault(queue);

    /// <summary>Throws if a value is out of range or names nothing.</summary>
    internal void Validate()
    {
        if (MaxBodyBytes < 1)
        {
            throw new MillraceConfigurationException($"MaxBodyBytes must be at least 1, not {MaxBodyBytes}.");
        }

        Leasing.Validate();
        RunHistory.NewRetention.Validate();
        foreach (var pipeline in _queues.Values.Prepend(this))
        {
            if (pipeline.Serializer is { } serializer)
            {
                Serializers.Get(serializer);
            }
        }
    }
}
