using Millrace.Client;
using Millrace.Configuration;
using Millrace.Storage;

namespace Millrace.Server.Instances;

/// <summary>An open instance of a node, and where its shapes live.</summary>
/// <param name="client">The client; open.</param>
/// <param name="urls">What was configured.</param>
internal sealed class ServedInstance(MillraceClient client, InstanceUrls urls)
{
    /// <summary>What a backend that has no channels is paired with.</summary>
    public const string PairedChannelUrl = "memory:";

    public MillraceClient Client => client;

    public string Name => client.Instance;

    /// <summary>What an acknowledged message survives; null without queues.</summary>
    public StoreDurability? Durability => client.Find<IQueueStore>()?.Capabilities.Durability;

    /// <summary>Whether the backend has no channels, so that they live in this process.</summary>
    public bool HasPairedChannels => client.HasPairedChannels;

    /// <summary>Each URL, masked, with the shapes that live there.</summary>
    public IReadOnlyList<(string Url, IReadOnlyList<string> Shapes)> Stores
    {
        get
        {
            (string Shape, bool Exists, string? Url)[] shapes =
            [
                ("queue", client.Find<IQueueStore>() is not null, urls.Queue),
                ("stream", client.Find<IStreamStore>() is not null, urls.Stream ?? urls.Queue),
                ("channel", client.Find<IChannelTransport>() is not null, urls.Channel ?? (HasPairedChannels ? PairedChannelUrl : urls.Queue)),
                ("lock", client.Find<ILockStore>() is not null, urls.Lock ?? urls.Queue),
                ("state", client.Find<IStateStore>() is not null, urls.State ?? urls.Queue),
            ];
            return [.. shapes
                .Where(shape => shape is { Exists: true, Url: not null })
                .GroupBy(shape => BackendUrl.Parse(shape.Url!).ToString(), shape => shape.Shape, StringComparer.Ordinal)
                .Select(store => (store.Key, (IReadOnlyList<string>)[.. store]))];
        }
    }
}
