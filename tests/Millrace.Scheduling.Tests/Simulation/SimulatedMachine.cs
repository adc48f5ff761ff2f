namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>
/// What a node runs on: each of its operations on a store passes here twice, before it is carried out and before its answer arrives, and may be held up there, fail, or never go on
/// because the machine has died. Continuations run on the one thread of the simulation.
/// </summary>
internal sealed class SimulatedMachine(Random random, SimulatedTime world)
{
    private readonly List<TaskCompletionSource> _held = [];
    private readonly AsyncLocal<LeasedRun?> _handled = new();

    public SimulatedTime Time { get; } = new(world);

    public bool IsAwake { get; set; } = true;

    public bool IsDead { get; private set; }

    /// <summary>How often in 100 an operation is held up, and in 1,000 fails.</summary>
    public (int HeldUp, int Fails) Odds { get; set; }

    /// <summary>How many operations have failed.</summary>
    public int Faults { get; private set; }

    public int HeldCount => _held.Count;

    /// <summary>The delivery in whose handling the caller is, on any number of continuations; null outside of one.</summary>
    public LeasedRun? Handled
    {
        get => _handled.Value;
        set => _handled.Value = value;
    }

    /// <summary>Passes one of the two places of an operation.</summary>
    public async ValueTask PassAsync(bool isDone)
    {
        if (IsDead || !IsAwake || random.Next(100) < Odds.HeldUp)
        {
            var held = new TaskCompletionSource();
            _held.Add(held);
            await held.Task.ConfigureAwait(false);
        }

        if (random.Next(1000) < Odds.Fails)
        {
            Faults++;
            throw new BackendUnavailableException("The store of the simulation was away for a moment.", mayHaveBeenApplied: isDone);
        }
    }

    /// <summary>Lets one operation that is held up go on.</summary>
    /// <returns>False when there is none.</returns>
    public bool LetOneGo()
    {
        if (IsDead || !IsAwake || _held.Count == 0)
        {
            return false;
        }

        var place = random.Next(_held.Count);
        var held = _held[place];
        _held.RemoveAt(place);
        held.SetResult();
        return true;
    }

    /// <summary>Nothing on it ever goes on.</summary>
    public void Die()
    {
        IsDead = true;
        _held.Clear();
    }
}
