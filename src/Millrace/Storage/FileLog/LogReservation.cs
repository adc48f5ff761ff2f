namespace Millrace.Storage.FileLog;

/// <summary>Space for one append. Disposing it gives the space back, unless it was appended with; then it does nothing.</summary>
internal readonly struct LogReservation : IDisposable, IEquatable<LogReservation>
{
    private readonly FileLog? _log;

    internal LogReservation(FileLog log, int slot, int version) => (_log, Slot, Version) = (log, slot, version);

    internal int Slot { get; }

    internal int Version { get; }

    internal bool IsOf(FileLog log) => ReferenceEquals(_log, log);

    public void Dispose() => _log?.Release(in this);

    public bool Equals(LogReservation other) => ReferenceEquals(_log, other._log) && Slot == other.Slot && Version == other.Version;

    public override bool Equals(object? obj) => obj is LogReservation other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(Slot, Version);
}
