namespace Millrace.App.Migration;

/// <summary>What the target said to one message or document.</summary>
internal enum MoveVerdict
{
    /// <summary>It has it now.</summary>
    Stored,

    /// <summary>It had it already.</summary>
    Present,

    /// <summary>It has something else under the same name: the source keeps its own.</summary>
    Conflict,
}
