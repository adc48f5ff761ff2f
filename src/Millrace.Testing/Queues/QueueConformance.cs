namespace Millrace.Testing.Queues;

/// <summary>The laws Q1–Q12 of <see cref="Storage.IQueueStore"/>, a file each. Derive from it to prove a queue store; see <see cref="BackendFixture"/>.</summary>
/// <typeparam name="TFixture">The backend under test.</typeparam>
public abstract partial class QueueConformance<TFixture> : QueueSuite<TFixture>
    where TFixture : BackendFixture, new()
{
}
