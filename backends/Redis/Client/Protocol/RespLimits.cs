namespace Millrace.Redis.Client.Protocol;

/// <summary>How much of a server's replies is believed, so that one that is broken or hostile cannot take all memory.</summary>
internal sealed record RespLimits
{
    public static RespLimits Default { get; } = new();

    /// <summary>The longest line: a status, an error, a number.</summary>
    public int MaxLineBytes { get; init; } = 64 * 1024;

    /// <summary>The longest bulk string; the protocol's own limit unless set.</summary>
    public int MaxBulkBytes { get; init; } = 512 * 1024 * 1024;

    /// <summary>The most bytes that the parts of one reply have together.</summary>
    public int MaxReplyBytes { get; init; } = 1024 * 1024 * 1024;

    /// <summary>The most parts of one reply, at all depths together. A part takes about 64 bytes.</summary>
    public int MaxItems { get; init; } = 4 * 1024 * 1024;

    /// <summary>The deepest nesting.</summary>
    public int MaxDepth { get; init; } = 64;
}
