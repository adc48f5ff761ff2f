using Millrace.Storage;

namespace Millrace.App.Migration;

/// <summary>The two stores of a migration.</summary>
/// <param name="From">What is moved.</param>
/// <param name="To">Where it goes.</param>
/// <param name="TimeProvider">The clock by which due times and expiries are measured.</param>
internal sealed record MigrationStores(Backend From, Backend To, TimeProvider TimeProvider)
{
    /// <summary>Refuses two names of one store: every message would be taken for one that the target has already, and be removed.</summary>
    /// <exception cref="UsageException">They are one store.</exception>
    public async ValueTask RequireTwoAsync(CancellationToken cancellationToken)
    {
        // Deleted below; one that a kill leaves behind deletes itself.
        var probe = $"millrace-migrate-{Guid.NewGuid():N}";
        var admin = From.Require<IQueueAdmin>();
        await admin.CreateQueueAsync(probe, QueueSettings.Default with { DeleteAfterIdle = TimeSpan.FromMinutes(1) }, cancellationToken);
        try
        {
            if ((await To.Require<IQueueAdmin>().ListQueuesAsync(probe, cancellationToken: cancellationToken)).Count > 0)
            {
                throw new UsageException("--from and --to are one store: name two.");
            }
        }
        finally
        {
            await admin.DeleteQueueAsync(probe, CancellationToken.None);
        }
    }
}
