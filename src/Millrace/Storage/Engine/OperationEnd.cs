namespace Millrace.Storage.Engine;

/// <summary>What is left to do after an operation on a queue, outside its gate.</summary>
/// <param name="Served">The receivers that were served.</param>
/// <param name="JournalEnd">Where the journal ends behind what the operation changed; 0 when it changed nothing that is written down.</param>
/// <param name="ServedMustBeDurable">Whether receivers must not see their messages before the journal is durable: a message is newer than that, or was settled by leasing it.</param>
internal readonly record struct OperationEnd(QueueReceiver? Served, long JournalEnd, bool ServedMustBeDurable)
{
    /// <summary>The ends of an operation on two queues.</summary>
    public static OperationEnd Join(OperationEnd first, OperationEnd second)
    {
        var served = first.Served ?? second.Served;
        if (first.Served is { } last && second.Served is not null)
        {
            while (last.NextServed is not null)
            {
                last = last.NextServed;
            }

            last.NextServed = second.Served;
        }

        return new OperationEnd(served, Math.Max(first.JournalEnd, second.JournalEnd), first.ServedMustBeDurable || second.ServedMustBeDurable);
    }
}
