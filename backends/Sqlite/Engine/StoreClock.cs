using System.Runtime.CompilerServices;

namespace Millrace.Sqlite.Engine;

/// <summary>
/// The two clocks of a store, in ticks of 100 ns. Due times and expiry are wall-clock time since 1970, because they must mean the same after a restart.
/// Leases are monotonic time, because a wall clock that jumps would end or prolong them all; processes of one machine share it until it is booted again.
/// </summary>
internal sealed class StoreClock
{
    private const string BootIdFile = "/proc/sys/kernel/random/boot_id";
    private static readonly ConditionalWeakTable<TimeProvider, string> Domains = [];

    public StoreClock(TimeProvider timeProvider)
    {
        TimeProvider = timeProvider;
        Domain = timeProvider == TimeProvider.System ? SystemDomain(timeProvider) : Domains.GetValue(timeProvider, static _ => "provider " + Guid.NewGuid().ToString("N"));
    }

    public TimeProvider TimeProvider { get; }

    /// <summary>Names the monotonic clock: processes with the same domain may compare <see cref="Monotonic"/>.</summary>
    public string Domain { get; }

    public long Wall => TimeProvider.GetUtcNow().Ticks - DateTime.UnixEpoch.Ticks;

    public long Monotonic => TimeProvider.GetElapsedTime(0, TimeProvider.GetTimestamp()).Ticks;

    public static DateTimeOffset ToDateTime(long wall) => new(wall + DateTime.UnixEpoch.Ticks, TimeSpan.Zero);

    public static long ToWall(DateTimeOffset instant) => instant.UtcTicks - DateTime.UnixEpoch.Ticks;

    /// <summary><paramref name="now"/> + <paramref name="span"/>, at most the end of time.</summary>
    public static long After(long now, TimeSpan span) => span.Ticks > long.MaxValue - 1 - now ? long.MaxValue - 1 : now + span.Ticks;

    private static string SystemDomain(TimeProvider timeProvider)
    {
        if (File.Exists(BootIdFile))
        {
            return "boot " + File.ReadAllText(BootIdFile).Trim();
        }

        // Elsewhere the time of the last boot is known only as now minus uptime, which wobbles with clock corrections: to the nearest minute.
        var boot = timeProvider.GetUtcNow() - timeProvider.GetElapsedTime(0, timeProvider.GetTimestamp());
        return "boot at " + boot.AddSeconds(30).ToString("yyyy-MM-ddTHH:mm", System.Globalization.CultureInfo.InvariantCulture);
    }
}
