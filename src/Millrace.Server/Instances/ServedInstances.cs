using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Configuration;

namespace Millrace.Server.Instances;

/// <summary>The instances of a node, opened together and closed together.</summary>
internal sealed class ServedInstances : IAsyncDisposable
{
    private readonly List<ServedInstance> _instances = [];

    private ServedInstances()
    {
    }

    public IReadOnlyList<ServedInstance> All => _instances;

    /// <summary>Opens every instance; if one cannot be opened, closes the others.</summary>
    /// <param name="instances">By name.</param>
    /// <param name="timeProvider">The clock.</param>
    /// <param name="loggers">Where they log.</param>
    /// <param name="cancellationToken">Ends the opening.</param>
    /// <exception cref="MillraceException">An instance cannot be opened.</exception>
    public static async ValueTask<ServedInstances> OpenAsync(
        IReadOnlyDictionary<string, InstanceUrls> instances, TimeProvider timeProvider, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var served = new ServedInstances();
        try
        {
            foreach (var (name, urls) in instances)
            {
                var options = new MillraceClientOptions
                {
                    TimeProvider = timeProvider,
                    LoggerFactory = loggers,
                    ChannelUrlWhereMissing = ServedInstance.PairedChannelUrl,
                };
                var client = new MillraceClient(name, urls, options);
                served._instances.Add(new ServedInstance(client, urls));
                await client.EnsureOpenAsync(cancellationToken).ConfigureAwait(false);
            }

            return served;
        }
        catch
        {
            await served.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Closes every instance, also when one of them cannot be closed in order.</summary>
    public async ValueTask DisposeAsync() => await Task.WhenAll(_instances.Select(instance => instance.Client.DisposeAsync().AsTask())).ConfigureAwait(false);
}
