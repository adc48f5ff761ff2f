using System.Buffers.Binary;
using Millrace.Redis.Client;

namespace Millrace.Redis.Queues;

/// <summary>Calls of one queue that go together: what plain.lua is told of them. Used again; one at a time.</summary>
internal sealed class PlainBatch
{
    private const int FixedBytes = 48;
    private const int RunBytes = 5;
    private const int KeyBytes = 8;
    private const int ReceiverBytes = 10;

    private readonly List<(byte Priority, int Count)> _runs = [];
    private int _stores;
    private long _bytes;
    private int _largest;
    private int _settles;
    private int _leased;

    public List<EnqueueCall> Enqueues { get; } = [];

    public List<SettleCall> Settles { get; } = [];

    public List<LeaseCall> Leases { get; } = [];

    /// <summary>Leases of other options than those of the first, which go elsewhere.</summary>
    public List<LeaseCall> OtherLeases { get; } = [];

    /// <summary>How many kinds of calls there are.</summary>
    public int Kinds => Math.Min(Enqueues.Count, 1) + Math.Min(Settles.Count, 1) + Math.Min(Leases.Count, 1);

    public void Add(LaneCall call)
    {
        switch (call)
        {
            case EnqueueCall enqueue:
                Enqueues.Add(enqueue);
                AddMessages(enqueue);
                break;
            case SettleCall settle:
                Settles.Add(settle);
                _settles += settle.Batch.Length;
                break;
            case LeaseCall lease when Leases.Count == 0 || ReferenceEquals(Leases[0].Lane, lease.Lane):
                Leases.Add(lease);
                _leased += lease.Weight;
                break;
            case LeaseCall other:
                OtherLeases.Add(other);
                break;
        }
    }

    public void Clear()
    {
        Enqueues.Clear();
        Settles.Clear();
        Leases.Clear();
        OtherLeases.Clear();
        _runs.Clear();
        (_stores, _bytes, _largest, _settles, _leased) = (0, 0, 0, 0, 0);
    }

    /// <summary>The arguments of the script behind those that all scripts have.</summary>
    public void Write(RedisCommand command)
    {
        WriteHeader(command.Reserve(FixedBytes + (RunBytes * _runs.Count) + (KeyBytes * _settles) + (ReceiverBytes * Leases.Count)));
        foreach (var call in Enqueues)
        {
            EnqueueLane.AddRecords(command, call.Batch.Span);
        }

        foreach (var call in Settles)
        {
            foreach (ref readonly var settlement in call.Batch.Span)
            {
                command.Add((long)settlement.Token.Low);
            }
        }
    }

    private void AddMessages(EnqueueCall call)
    {
        _stores += call.Batch.Length;
        foreach (ref readonly var envelope in call.Batch.Span)
        {
            _bytes += envelope.Body.Length;
            _largest = Math.Max(_largest, envelope.Body.Length);
            if (_runs.Count > 0 && _runs[^1].Priority == envelope.Priority)
            {
                _runs[^1] = ((byte)envelope.Priority, _runs[^1].Count + 1);
            }
            else
            {
                _runs.Add(((byte)envelope.Priority, 1));
            }
        }
    }

    private void WriteHeader(Span<byte> into)
    {
        BinaryPrimitives.WriteInt32LittleEndian(into, _stores);
        BinaryPrimitives.WriteInt64LittleEndian(into[4..], _bytes);
        BinaryPrimitives.WriteInt32LittleEndian(into[12..], _largest);
        BinaryPrimitives.WriteInt32LittleEndian(into[16..], _runs.Count);
        BinaryPrimitives.WriteInt32LittleEndian(into[20..], _settles);
        BinaryPrimitives.WriteInt32LittleEndian(into[24..], Leases.Count);
        BinaryPrimitives.WriteInt32LittleEndian(into[28..], _leased);
        BinaryPrimitives.WriteInt64LittleEndian(into[32..], Leases.Count == 0 ? 0 : RedisTime.MicrosecondsOf(Leases[0].Lane.Options.LeaseDuration));
        BinaryPrimitives.WriteInt64LittleEndian(into[40..], LeaseLane.MaxLeaseBytes);
        into = into[48..];
        foreach (var (priority, count) in _runs)
        {
            into[0] = priority;
            BinaryPrimitives.WriteInt32LittleEndian(into[1..], count);
            into = into[RunBytes..];
        }

        foreach (var call in Settles)
        {
            foreach (ref readonly var settlement in call.Batch.Span)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(into, settlement.Token.High);
                into = into[KeyBytes..];
            }
        }

        foreach (var call in Leases)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(into, (ushort)call.Weight);
            BinaryPrimitives.WriteUInt64LittleEndian(into[2..], call.Key);
            into = into[ReceiverBytes..];
        }
    }
}
