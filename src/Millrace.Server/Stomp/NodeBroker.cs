using Millrace.Server.Security;
using Millrace.Stomp;
using Millrace.Stomp.Security;
using Millrace.Storage;

namespace Millrace.Server.Stomp;

/// <summary>Makes the broker of a node.</summary>
internal static class NodeBroker
{
    /// <summary>The broker that the options describe; null where STOMP is not served.</summary>
    /// <exception cref="MillraceConfigurationException">The instance has nothing that STOMP could reach.</exception>
    public static StompBroker? Open(MillraceServerOptions options, ServerSecurity security)
    {
        if (options.Stomp is not { } stomp)
        {
            return null;
        }

        var instance = options.Instances[stomp.Instance];
        if (instance.Find<IQueueStore>() is null && instance.Find<IChannelTransport>() is null)
        {
            throw new MillraceConfigurationException(
                $"STOMP cannot be served on the instance '{stomp.Instance}': it has neither queues nor channels. Name another instance, or serve without STOMP (--no-stomp).");
        }

        IStompAuthority authority = security.Authenticator is { } authenticator ? new ServerAuthority(authenticator, security.Standing, security.Audit) : new OpenAuthority();
        return new StompBroker(instance, stomp.Options, authority, options.TimeProvider, options.LoggerFactory);
    }
}
