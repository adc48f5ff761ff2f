namespace Millrace.Storage.Engine;

/// <summary>What a checkpoint has of one message, so that the journal before it need not be read: where its record is, and what has become of it since.</summary>
internal struct KeptEntry
{
    private const byte SenderId = 1;
    private const byte Leased = 2;
    private const byte Dead = 4;
    private const byte Keyed = 8;
    private const byte Scheduled = 16;
    private const byte Expiring = 32;
    private const byte Failed = 64;
    private const byte LeasedNow = 128;

    public int Slot;
    public long Location;
    public int RecordBytes;
    public int BodyBytes;
    public long Sequence;
    public int Attempts;
    public byte Priority;
    public bool HasSenderId;
    public bool WasLeased;

    /// <summary>Whether a receiver has it, so that its lease has ended when this is read.</summary>
    public bool IsLeased;

    public string? Key;

    /// <summary>Its place in the line of its key; 0: not in it.</summary>
    public long JoinedAt;

    /// <summary>In UTC ticks; 0: at once.</summary>
    public long DueAt;

    /// <summary>In UTC ticks; 0: never.</summary>
    public long ExpiresAt;

    public string? LastError;

    /// <summary>Why it is dead; null when it is not.</summary>
    public string? DeathReason;

    /// <summary>In UTC ticks.</summary>
    public long DiedAt;

    /// <summary>How many attempts it had when it died; it may have been leased since.</summary>
    public int DeathAttempts;

    /// <summary>The last error when it died.</summary>
    public string? DeathError;

    /// <summary>Whether a place in a run is all that it needs.</summary>
    public readonly bool IsPlain => !WasLeased && Key is null && DueAt == 0 && ExpiresAt == 0 && LastError is null && DeathReason is null && Attempts == 0;

    public static KeptEntry Of(in ColdEntry cold, int slot, long sequence) => new()
    {
        Slot = slot,
        Location = cold.Location,
        RecordBytes = cold.RecordBytes,
        BodyBytes = cold.BodyBytes,
        Sequence = sequence,
        Priority = cold.Priority,
        HasSenderId = cold.HasSenderId,
    };

    public readonly void Write(ChangeWriter changes)
    {
        var flags = (HasSenderId ? SenderId : 0) | (WasLeased ? Leased : 0) | (DeathReason is null ? 0 : Dead) | (Key is null ? 0 : Keyed)
            | (DueAt == 0 ? 0 : Scheduled) | (ExpiresAt == 0 ? 0 : Expiring) | (LastError is null ? 0 : Failed) | (IsLeased ? LeasedNow : 0);
        changes.Kind(ChangeKind.Kept).Number(Slot).Byte((byte)flags).Byte(Priority).Number(Location).Number(RecordBytes).Number(BodyBytes).Number(Sequence).Number(Attempts);
        if (Key is not null)
        {
            changes.Text(Key).Number(JoinedAt);
        }

        if (DueAt != 0)
        {
            changes.Ticks(DueAt);
        }

        if (ExpiresAt != 0)
        {
            changes.Ticks(ExpiresAt);
        }

        if (LastError is not null)
        {
            changes.Text(LastError);
        }

        if (DeathReason is not null)
        {
            changes.Text(DeathReason).Ticks(DiedAt).Number(DeathAttempts).Text(DeathError);
        }
    }

    public static KeptEntry Read(ref ChangeReader reader)
    {
        var slot = reader.SmallNumber();
        var flags = reader.Byte();
        var kept = new KeptEntry
        {
            Slot = slot,
            Priority = reader.Byte(),
            Location = reader.Number(),
            RecordBytes = reader.SmallNumber(),
            BodyBytes = reader.SmallNumber(),
            Sequence = reader.Number(),
            Attempts = reader.SmallNumber(),
            HasSenderId = (flags & SenderId) != 0,
            WasLeased = (flags & Leased) != 0,
            IsLeased = (flags & LeasedNow) != 0,
        };
        if ((flags & Keyed) != 0)
        {
            kept.Key = reader.Text();
            kept.JoinedAt = reader.Number();
        }

        kept.DueAt = (flags & Scheduled) == 0 ? 0 : reader.Ticks();
        kept.ExpiresAt = (flags & Expiring) == 0 ? 0 : reader.Ticks();
        kept.LastError = (flags & Failed) == 0 ? null : reader.Text() ?? "";
        if ((flags & Dead) != 0)
        {
            kept.DeathReason = reader.Text() ?? "";
            kept.DiedAt = reader.Ticks();
            kept.DeathAttempts = reader.SmallNumber();
            kept.DeathError = reader.Text();
        }

        return kept;
    }
}
