namespace Millrace.App.Migration;

/// <summary>What became of the messages of a queue, the records of a stream, or the documents of a store.</summary>
internal sealed class MoveCounts
{
    /// <summary>Stored in the target by this run.</summary>
    public long Moved { get; set; }

    /// <summary>The target had them already.</summary>
    public long Skipped { get; set; }

    /// <summary>Still in the source alone.</summary>
    public long Left { get; set; }

    /// <summary>Of those that are left, those whose id the target has for another message.</summary>
    public HashSet<MessageId> Conflicts { get; } = [];

    public void Add(MoveVerdict verdict)
    {
        Moved += verdict == MoveVerdict.Stored ? 1 : 0;
        Skipped += verdict == MoveVerdict.Present ? 1 : 0;
    }
}
