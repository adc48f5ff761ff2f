namespace Millrace.Scheduling.Schedules;

/// <summary>The versions of the definitions that one call writes: one is given out for all of them when it is first needed. Safe for concurrent use.</summary>
internal sealed class NewVersions(ScheduleStore store)
{
    private readonly Lock _gate = new();
    private Task<long>? _given;

    /// <summary>A version for a schedule that has this one so far.</summary>
    public async ValueTask<long> AboveAsync(long version, string schedule, CancellationToken cancellationToken)
    {
        Task<long> given;
        lock (_gate)
        {
            given = _given ??= store.NewVersionAsync(schedule, CancellationToken.None).AsTask();
        }

        var shared = await given.WaitAsync(cancellationToken).ConfigureAwait(false);
        return shared > version ? shared : await store.NewVersionAsync(schedule, cancellationToken).ConfigureAwait(false);
    }
}
