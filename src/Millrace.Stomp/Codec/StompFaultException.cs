namespace Millrace.Stomp.Codec;

/// <summary>A frame that ends its connection with an ERROR. Never leaves the package.</summary>
internal sealed class StompFaultException(StompFault fault, Exception? innerException = null) : Exception(fault.Detail, innerException)
{
    public StompFaultException(string summary, string detail)
        : this(new StompFault(summary, detail))
    {
    }

    /// <summary>What the client is told.</summary>
    public StompFault Fault { get; } = fault;

    /// <summary>Whether it is the fault of a frame that came before the one that is being handled, whose receipt has nothing to do with it.</summary>
    public bool IsOfEarlierFrame { get; init; }
}
