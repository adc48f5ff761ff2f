using System.Buffers.Binary;

namespace Millrace.Storage.Engine;

/// <summary>
/// Makes engines again from what a journal has: first the frames of a checkpoint, then those that the journal took after it was begun. Reading a change that the checkpoint has already
/// changes nothing. Used once, by one thread, before the engines are.
/// </summary>
internal sealed class EngineLoader(QueueEngine queues, StateEngine state, LockEngine locks)
{
    private readonly Dictionary<uint, QueueCore> _cores = [];

    // The latest queue of each name. That an older one was deleted may stand behind the creation of its successor, or not at all where that could not be written.
    private readonly Dictionary<string, QueueCore> _latest = new(StringComparer.Ordinal);
    private uint _lastSerial;

    /// <summary>Applies one frame.</summary>
    /// <param name="position">Where its first byte stands in the journal; of no meaning in a checkpoint, which holds no records.</param>
    /// <param name="frame">The frame.</param>
    /// <exception cref="StorageCorruptException">The frame cannot be read.</exception>
    public void Apply(long position, ReadOnlySpan<byte> frame)
    {
        var at = BinaryPrimitives.ReadInt64LittleEndian(frame);
        var offset = ChangeWriter.FrameHeaderBytes;
        while (offset < frame.Length)
        {
            var serial = BinaryPrimitives.ReadUInt32LittleEndian(frame[offset..]);
            var length = BinaryPrimitives.ReadInt32LittleEndian(frame[(offset + 4)..]);
            offset += ChangeWriter.SectionHeaderBytes;
            var reader = new ChangeReader(frame.Slice(offset, length));
            _lastSerial = Math.Max(_lastSerial, serial);
            if (serial == 0)
            {
                ApplyToStore(ref reader);
            }
            else
            {
                ApplyToQueue(serial, ref reader, position + offset, at);
            }

            offset += length;
        }
    }

    /// <summary>Gives everything its place.</summary>
    public void Finish()
    {
        queues.LastSerial = _lastSerial;
        foreach (var core in _latest.Values)
        {
            queues.AddLoaded(core);
        }

        foreach (var core in _latest.Values)
        {
            queues.EndUnflushed(core.FinishLoading());
        }
    }

    /// <summary>The records of messages in the changes of one section: slot, offset and length of each.</summary>
    public static List<(int Slot, int Offset, int Bytes)> RecordsIn(ReadOnlySpan<byte> changes)
    {
        var records = new List<(int, int, int)>();
        var reader = new ChangeReader(changes);
        while (!reader.IsAtEnd)
        {
            var kind = (ChangeKind)reader.Byte();
            if (kind is ChangeKind.Stored or ChangeKind.Moved)
            {
                var slot = reader.SmallNumber();
                var offset = reader.Position;
                records.Add((slot, offset, MessageRecord.Read(ref reader, withMessage: false).RecordBytes));
            }
            else
            {
                Skip(kind, ref reader);
            }
        }

        return records;
    }

    private static void Skip(ChangeKind kind, ref ChangeReader reader)
    {
        var (numbers, texts) = kind switch
        {
            ChangeKind.Removed => (1, 0),
            ChangeKind.Leased or ChangeKind.Promoted or ChangeKind.Redriven => (2, 0),
            ChangeKind.Rescheduled => (3, 0),
            ChangeKind.Returned => (4, 1),
            ChangeKind.Died => (3, 2),
            ChangeKind.Bound or ChangeKind.Unbound => (0, 1),
            ChangeKind.QueueDeleted or ChangeKind.QueueCreated or ChangeKind.SettingsChanged => (0, 0),
            _ => throw Unknown(kind),
        };
        if (kind == ChangeKind.QueueCreated)
        {
            reader.Text();
            reader.Number();
        }

        if (kind is ChangeKind.QueueCreated or ChangeKind.SettingsChanged)
        {
            SettingsRecord.Read(ref reader);
        }

        for (var i = 0; i < numbers; i++)
        {
            reader.Number();
        }

        for (var i = 0; i < texts; i++)
        {
            reader.Text();
        }
    }

    private void ApplyToStore(ref ChangeReader reader)
    {
        while (!reader.IsAtEnd)
        {
            var kind = (ChangeKind)reader.Byte();
            switch (kind)
            {
                case ChangeKind.StatePut:
                    var key = reader.Text()!;
                    var revision = reader.Number();
                    state.Load(key, reader.Bytes().ToArray(), revision);
                    break;
                case ChangeKind.StateDeleted:
                    state.Load(reader.Text()!, null, reader.Number());
                    break;
                case ChangeKind.LockToken:
                    locks.LoadToken(reader.Number());
                    break;
                case ChangeKind.StateRevision:
                    state.LoadRevision(reader.Number());
                    break;
                case ChangeKind.CheckpointBegin or ChangeKind.CheckpointEnd:
                    reader.Number();
                    break;
                default:
                    throw Unknown(kind);
            }
        }
    }

    private void ApplyToQueue(uint serial, ref ChangeReader reader, long position, long at)
    {
        if (!_cores.TryGetValue(serial, out var core))
        {
            if (reader.IsAtEnd || (ChangeKind)reader.Byte() != ChangeKind.QueueCreated)
            {
                // Deleted before the checkpoint was taken.
                return;
            }

            core = Create(serial, ref reader);
            _cores.Add(serial, core);
        }

        while (!reader.IsAtEnd)
        {
            var kind = (ChangeKind)reader.Byte();
            switch (kind)
            {
                case ChangeKind.QueueCreated:
                    reader.Text();
                    core.LoadSequence(reader.Number());
                    core.LoadSettings(SettingsRecord.Read(ref reader), at);
                    break;
                case ChangeKind.QueueDeleted:
                    Delete(core);
                    return;
                case ChangeKind.SettingsChanged:
                    core.LoadSettings(SettingsRecord.Read(ref reader), at);
                    break;
                case ChangeKind.Bound or ChangeKind.Unbound:
                    ApplyToBinding(core, kind, TopicPattern.Parse(reader.Text()!));
                    break;
                default:
                    ApplyToMessage(core, kind, ref reader, position, at);
                    break;
            }
        }
    }

    private QueueCore Create(uint serial, ref ChangeReader reader)
    {
        var name = reader.Text()!;
        var sequence = reader.Number();
        var core = new QueueCore(queues, serial, name, SettingsRecord.Read(ref reader));
        core.LoadSequence(sequence);
        if (!_latest.TryGetValue(name, out var other) || other.Serial < serial)
        {
            queues.RemoveBindings(name);
            _latest[name] = core;
        }

        return core;
    }

    private void Delete(QueueCore core)
    {
        _cores.Remove(core.Serial);
        if (ReferenceEquals(_latest.GetValueOrDefault(core.Name), core))
        {
            queues.RemoveBindings(core.Name);
            _latest.Remove(core.Name);
        }
    }

    private void ApplyToBinding(QueueCore core, ChangeKind kind, TopicPattern pattern)
    {
        if (!ReferenceEquals(_latest.GetValueOrDefault(core.Name), core))
        {
            // Bindings go by name.
            return;
        }

        if (kind == ChangeKind.Bound)
        {
            queues.AddBinding(core.Name, pattern);
        }
        else
        {
            queues.RemoveBinding(core.Name, pattern);
        }
    }

    private static void ApplyToMessage(QueueCore core, ChangeKind kind, ref ChangeReader reader, long position, long at)
    {
        switch (kind)
        {
            case ChangeKind.Kept:
                core.LoadKept(KeptEntry.Read(ref reader));
                return;
            case ChangeKind.SettledId:
                var hash = reader.Hash();
                core.LoadSettledId(hash, reader.Ticks());
                return;
        }

        var slot = reader.SmallNumber();
        switch (kind)
        {
            case ChangeKind.Stored:
            case ChangeKind.Moved:
                var location = position + reader.Position;
                var stored = MessageRecord.Read(ref reader, withMessage: false);
                if (kind == ChangeKind.Stored)
                {
                    core.LoadStored(slot, in stored, location);
                }
                else
                {
                    core.LoadMoved(slot, stored.RecordBytes, location);
                }

                break;
            case ChangeKind.Removed:
                core.LoadRemoved(slot, at);
                break;
            case ChangeKind.Leased:
                core.LoadLeased(slot, reader.SmallNumber());
                break;
            case ChangeKind.Returned:
                core.LoadReturned(slot, reader.SmallNumber(), reader.Number(), reader.Number(), reader.Text());
                break;
            case ChangeKind.Died:
                core.LoadDied(slot, reader.Number(), reader.SmallNumber(), reader.Text() ?? "", reader.Text(), at);
                break;
            case ChangeKind.Promoted:
                core.LoadPromoted(slot, reader.Number());
                break;
            case ChangeKind.Redriven:
                core.LoadRedriven(slot, reader.Number());
                break;
            case ChangeKind.Rescheduled:
                core.LoadRescheduled(slot, reader.Number(), reader.Number());
                break;
            case ChangeKind.SentId:
                core.LoadSentId(slot, reader.Hash());
                break;
            default:
                throw Unknown(kind);
        }
    }

    private static StorageCorruptException Unknown(ChangeKind kind) =>
        new($"The journal has a change of kind {(int)kind}, which this version does not know: a newer one wrote it, or it is damaged. Nothing was changed.");
}
