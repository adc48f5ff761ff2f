namespace Millrace.Redis.Tests.Proxies;

/// <summary>What a <see cref="GatedProxy"/> does with connections.</summary>
public enum Gate
{
    /// <summary>Passes them on.</summary>
    Open,

    /// <summary>Takes them, reads, and closes them.</summary>
    Cuts,

    /// <summary>Takes them, reads, and says nothing.</summary>
    Hangs,
}
