using System.Diagnostics.CodeAnalysis;

namespace Millrace.Redis.Tests.Proxies;

/// <summary>One connection through a <see cref="TcpProxy"/>.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The source has no timer and no handle, and may be asked to end long after the connection has.")]
internal class ProxiedConnection
{
    private readonly CancellationTokenSource _ending = new();

    /// <summary>Ends when the connection is to be closed.</summary>
    public CancellationToken Ending => _ending.Token;

    /// <summary>Whether nothing more passes, and it is reset.</summary>
    public virtual bool IsCut => false;

    /// <summary>Closes it.</summary>
    public void End() => _ending.Cancel();

    /// <summary>How many of the bytes that have come are passed on; the rest is thrown away.</summary>
    public virtual int Pass(bool isAnswer, int bytes) => bytes;
}
