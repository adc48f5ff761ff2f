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
}
