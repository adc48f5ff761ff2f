using System.Runtime.CompilerServices;

namespace Millrace.Storage.Engine;

/// <content>What operations set aside in the journal before, and wait for after.</content>
internal sealed partial class QueueEngine
{
    // A change without a message: kind, slot, numbers, a name or a pattern, and what time changes beside it.
    internal const int ChangeBytes = 4096;

    // Kind, slot and numbers of a settled or leased message.
    private const int ShortChangeBytes = 48;

    private const int MaxBytesPerChar = 3;

    // Queues by serial, for whoever moves records; made again when a serial is missing.
    private Dictionary<uint, QueueCore>? _cores;

    /// <summary>Does what is left after an operation, outside every gate: writes through, completes the receivers that were served, and waits for durability.</summary>
    /// <param name="end">What is left.</param>
    /// <param name="waitsForFlush">Whether the operation's caller waits until it is durable.</param>
    public ValueTask EndAsync(OperationEnd end, bool waitsForFlush)
    {
        if (Journal is not null && end.JournalEnd > 0)
        {
            return EndWrittenAsync(end, waitsForFlush);
        }

        QueueReceiver.CompleteAll(end.Served);
        return default;
    }

    /// <summary>The same for an operation that nobody waits for: what it changed is changed again after a crash, or does not matter.</summary>
    public void EndUnflushed(OperationEnd end)
    {
        if (end.Served is null || Journal is null || end.JournalEnd == 0)
        {
            QueueReceiver.CompleteAll(end.Served);
            return;
        }

        // A failure reaches the receivers that were served, and whoever uses the journal next.
        _ = EndWrittenAsync(end, waitsForFlush: false).AsTask();
    }

    /// <summary>Ends a lease call that has leased.</summary>
    public async ValueTask<int> EndLeaseAsync(OperationEnd end, int leased)
    {
        await WriteForReceiversAsync(end).ConfigureAwait(false);
        await EndAsync(end, waitsForFlush: false).ConfigureAwait(false);
        return leased;
    }

    /// <summary>Room for what leasing writes down.</summary>
    public JournalRoom RoomForLeases(int count) => Journal?.Reserve(ChangeBytes + ((long)count * ShortChangeBytes), isEssential: true) ?? default;

    /// <summary>Room for what a look at a queue may change.</summary>
    public JournalRoom RoomForChange(long bytes = ChangeBytes) => Journal?.Reserve(bytes, isEssential: true) ?? default;

    private ValueTask<TResult> EndAsync<TResult>(OperationEnd end, bool waitsForFlush, TResult result)
    {
        if (Journal is not null && end.JournalEnd > 0)
        {
            return EndWrittenAsync(end, waitsForFlush, result);
        }

        QueueReceiver.CompleteAll(end.Served);
        return new ValueTask<TResult>(result);
    }

    private async ValueTask<TResult> EndWrittenAsync<TResult>(OperationEnd end, bool waitsForFlush, TResult result)
    {
        await EndWrittenAsync(end, waitsForFlush).ConfigureAwait(false);
        return result;
    }

    /// <summary>The last serial that a queue was given; set before the engine is used.</summary>
    public uint LastSerial
    {
        set => _lastSerial = value;
    }

    /// <summary>Puts a queue back that the journal has; before the engine is used.</summary>
    public void AddLoaded(QueueCore core)
    {
        _sections[core.Main.Name] = core.Main;
        _sections[core.Dead.Name] = core.Dead;
    }

    /// <summary>Writes down everything that there is, for a checkpoint.</summary>
    public void WriteCheckpoint(Action<ChangeWriter> write)
    {
        foreach (var section in _sections.Values)
        {
            if (!section.IsDead)
            {
                section.Core.WriteCheckpoint(write);
                WriteBindings(section.Core, write);
            }
        }
    }

    /// <summary>The queue of a serial; null when there is none any more.</summary>
    public QueueCore? CoreOf(uint serial)
    {
        if (_cores is null || !_cores.TryGetValue(serial, out var core))
        {
            _cores = _sections.Values.Where(section => !section.IsDead).ToDictionary(section => section.Core.Serial, section => section.Core);
            core = _cores.GetValueOrDefault(serial);
        }

        return core;
    }

    /// <summary>Has every record that stands in a stretch of the journal stand at its end instead, where the stretch cannot be read as a whole.</summary>
    public void MoveAll(long from, long end)
    {
        foreach (var section in _sections.Values)
        {
            if (!section.IsDead)
            {
                section.Core.MoveAll(from, end);
            }
        }
    }

    private static bool WaitsForFlush(ReadOnlySpan<Envelope> batch)
    {
        foreach (ref readonly var envelope in batch)
        {
            if (envelope.Durability != MessageDurability.None)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>An upper bound of the bytes of the change that a settlement makes.</summary>
    internal static long BoundOf(in Settlement settlement) =>
        ShortChangeBytes + (MaxBytesPerChar * ((long)(settlement.Reason?.Length ?? 0) + (settlement.Error?.Length ?? 0)));

    private void WriteBindings(QueueCore core, Action<ChangeWriter> write)
    {
        var changes = new ChangeWriter(core.Serial);
        foreach (var binding in _bindings.List(core.Name))
        {
            changes.Kind(ChangeKind.Bound).Text(binding.Pattern.Text);
        }

        write(changes);
    }

    private JournalRoom RoomFor(ReadOnlySpan<Envelope> batch)
    {
        if (Journal is null)
        {
            return default;
        }

        var bytes = (long)ChangeBytes;
        foreach (ref readonly var envelope in batch)
        {
            bytes += MessageRecord.BoundOf(in envelope);
        }

        return Journal.Reserve(bytes, isEssential: false);
    }

    private JournalRoom RoomFor(ReadOnlySpan<Settlement> batch)
    {
        if (Journal is null)
        {
            return default;
        }

        var bytes = (long)ChangeBytes;
        foreach (ref readonly var settlement in batch)
        {
            bytes += BoundOf(in settlement);
        }

        return Journal.Reserve(bytes, isEssential: true);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask EndWrittenAsync(OperationEnd end, bool waitsForFlush)
    {
        if (end.Served is { } served)
        {
            try
            {
                await WriteForReceiversAsync(end).ConfigureAwait(false);
            }
            catch (MillraceException exception)
            {
                QueueReceiver.FailAll(served, exception);
                throw;
            }

            QueueReceiver.CompleteAll(served);
        }

        if (waitsForFlush)
        {
            await Journal!.FlushAsync(end.JournalEnd).ConfigureAwait(false);
        }
    }

    /// <summary>Sees to it that a lease outlives the process before its message is handled (law Q7), and that nobody sees a message that a power cut could take back.</summary>
    private ValueTask WriteForReceiversAsync(OperationEnd end)
    {
        if (end.ServedMustBeDurable)
        {
            return Journal!.FlushAsync(end.JournalEnd);
        }

        Journal!.WriteThrough(end.JournalEnd);
        return default;
    }
}
