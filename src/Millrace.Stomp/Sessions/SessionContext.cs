using Millrace.Stomp.Codec;
using Millrace.Stomp.Security;

namespace Millrace.Stomp.Sessions;

/// <summary>What the parts of one session know of it. Written by the session only.</summary>
internal sealed class SessionContext(BrokerResources resources, IFrameOutput output, string id)
{
    public BrokerResources Resources => resources;

    public IFrameOutput Output => output;

    /// <summary>The connection's id.</summary>
    public string Id => id;

    /// <summary>The version that was agreed on.</summary>
    public StompVersion Version { get; set; }

    /// <summary>Who has connected; nobody before CONNECT.</summary>
    public StompCaller? Caller { get; set; }

    /// <summary>The <c>client-id</c> of CONNECT.</summary>
    public string? ClientId { get; set; }

    /// <summary>How far a client has come with its frames: counts them up.</summary>
    public long Frames { get; set; }

    /// <summary>Holds a permission of the caller.</summary>
    /// <exception cref="StompFaultException">The caller does not have it.</exception>
    public StompPermit Require(StompAccess access, StompResource resource, string pattern, string destination) =>
        Caller!.Hold(access, resource, pattern)
        ?? throw new StompFaultException("access denied", $"The user '{Caller.Name}' may not {VerbOf(access)} '{Destination.Shown(destination)}'.");

    private static string VerbOf(StompAccess access) => access switch
    {
        StompAccess.Send => "send to",
        StompAccess.Receive => "subscribe to",
        _ => "administer",
    };
}
