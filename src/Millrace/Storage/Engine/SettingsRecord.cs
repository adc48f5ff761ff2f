namespace Millrace.Storage.Engine;

/// <summary>The form in which a journal has the settings of a queue.</summary>
internal static class SettingsRecord
{
    public static void Write(ChangeWriter changes, QueueSettings settings) => changes
        .Number(settings.MaxDeliveries)
        .Number(settings.MaxLength)
        .Number(settings.MaxBytes ?? -1)
        .Byte((byte)settings.Overflow)
        .Byte(settings.DeadLetterExpired ? (byte)1 : (byte)0)
        .Number(settings.DeleteAfterIdle?.Ticks ?? -1)
        .Number(settings.DedupWindow.Ticks)
        .Number(settings.DedupMaxEntries);

    public static QueueSettings Read(ref ChangeReader reader) => new()
    {
        MaxDeliveries = reader.SmallNumber(),
        MaxLength = reader.Number(),
        MaxBytes = reader.Number() is >= 0 and var bytes ? bytes : null,
        Overflow = (QueueOverflow)reader.Byte(),
        DeadLetterExpired = reader.Byte() != 0,
        DeleteAfterIdle = reader.Number() is >= 0 and var ticks ? TimeSpan.FromTicks(ticks) : null,
        DedupWindow = TimeSpan.FromTicks(reader.Number()),
        DedupMaxEntries = reader.SmallNumber(),
    };
}
