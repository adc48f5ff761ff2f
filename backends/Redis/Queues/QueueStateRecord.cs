using System.Buffers.Binary;
using System.Globalization;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>The state of a queue as its scripts keep it: forty numbers, in the order of state.lua.</summary>
internal static class QueueStateRecord
{
    public const int SettingsBytes = 8 * Number;

    private const int Version = 1;
    private const int Number = sizeof(double);
    private const int Numbers = 40;
    private const int Main = 7;
    private const int Dead = 15;
    private const int Counters = 23;
    private const int Settings = 32;
    private const int Unset = -1;

    /// <summary>Writes settings. Times are in ticks, so that they read back as they were given.</summary>
    public static void WriteSettings(QueueSettings settings, Span<byte> into)
    {
        ReadOnlySpan<double> values =
        [
            settings.MaxDeliveries, settings.MaxLength, settings.MaxBytes ?? Unset, (int)settings.Overflow, settings.DeadLetterExpired ? 1 : 0,
            settings.DeleteAfterIdle?.Ticks ?? Unset, settings.DedupWindow.Ticks, settings.DedupMaxEntries,
        ];
        for (var i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(into[(i * Number)..], values[i]);
        }
    }

    public static QueueSettings ReadSettings(ReadOnlySpan<byte> state)
    {
        RequireWhole(state);
        return new QueueSettings
        {
            MaxDeliveries = (int)At(state, Settings),
            MaxLength = At(state, Settings + 1),
            MaxBytes = At(state, Settings + 2) is >= 0 and var bytes ? bytes : null,
            Overflow = (QueueOverflow)At(state, Settings + 3),
            DeadLetterExpired = At(state, Settings + 4) == 1,
            DeleteAfterIdle = At(state, Settings + 5) is >= 0 and var idle ? TimeSpan.FromTicks(idle) : null,
            DedupWindow = TimeSpan.FromTicks(At(state, Settings + 6)),
            DedupMaxEntries = (int)At(state, Settings + 7),
        };
    }

    /// <summary>The counts of a section.</summary>
    /// <param name="state">The state.</param>
    /// <param name="isDead">Whether of the dead letters.</param>
    /// <param name="oldest">How long the oldest ready message has been there.</param>
    public static QueueStats ReadStats(ReadOnlySpan<byte> state, bool isDead, TimeSpan? oldest)
    {
        RequireWhole(state);
        var section = isDead ? Dead : Main;
        var stats = new QueueStats
        {
            Ready = At(state, section),
            Scheduled = At(state, section + 3),
            Leased = At(state, section + 4),
            Bytes = At(state, section + 5),
            OldestReadyAge = oldest,
        };
        return isDead
            ? stats with { Completed = At(state, Counters + 7), DeadLettered = At(state, Counters + 8) }
            : stats with
            {
                Dead = At(state, Dead) + At(state, Dead + 3) + At(state, Dead + 4),
                Enqueued = At(state, Counters),
                Completed = At(state, Counters + 1),
                Duplicates = At(state, Counters + 2),
                Expired = At(state, Counters + 3),
                Dropped = At(state, Counters + 4),
                DeadLettered = At(state, Counters + 5),
                DedupEvictions = At(state, Counters + 6),
            };
    }

    /// <summary>The sequence that was given last.</summary>
    public static long LastSequence(ReadOnlySpan<byte> state)
    {
        RequireWhole(state);
        return At(state, 3);
    }

    /// <summary>Why a queue's state cannot be read.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="key">The key of its state.</param>
    /// <param name="state">The state.</param>
    public static StorageCorruptException DamageOf(string queue, string key, ReadOnlySpan<byte> state) => new(
        state.Length >= Number && BinaryPrimitives.ReadDoubleLittleEndian(state) is > Version and < 1000 and var version && double.IsInteger(version)
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"The queue '{queue}' in Redis was written by a newer version of Millrace: its state has version {version}, this one reads {Version}. Use that version here too.")
            : string.Create(
                CultureInfo.InvariantCulture,
                $"The state of the queue '{queue}' is damaged in Redis: its key '{key}' has {state.Length} bytes that are no state of version {Version}, of {Numbers * Number} bytes. ")
                + "Restore it from a backup, or delete the keys of the queue.");

    private static long At(ReadOnlySpan<byte> state, int index) => (long)BinaryPrimitives.ReadDoubleLittleEndian(state[(index * Number)..]);

    private static void RequireWhole(ReadOnlySpan<byte> state)
    {
        if (state.Length != Numbers * Number)
        {
            throw new StorageCorruptException($"The state of a queue is damaged in Redis: it has {state.Length} bytes, {Numbers * Number} were expected.");
        }
    }
}
