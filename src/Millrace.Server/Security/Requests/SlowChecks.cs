using Millrace.Server.Security.Users;

namespace Millrace.Server.Security.Requests;

/// <summary>
/// Checks passwords on threads of its own, few at a time, so that a flood of logins takes neither the processors nor the pool from those who are logged in. What waits
/// is bounded, in all and for each address. Safe for concurrent use.
/// </summary>
internal sealed class SlowChecks : IDisposable
{
    private const int MaxWaiting = 64;
    private const int MaxWaitingOfOne = 16;

    private readonly SemaphoreSlim _turns = new(Math.Max(1, Environment.ProcessorCount / 2));
    private readonly Lock _gate = new();
    private readonly Dictionary<UInt128, int> _waitingOf = [];
    private int _waiting;

    /// <summary>Takes a place; false if there is none for this address now.</summary>
    public bool TryEnter(UInt128 address)
    {
        lock (_gate)
        {
            var ofOne = _waitingOf.GetValueOrDefault(address);
            if (_waiting >= MaxWaiting || ofOne >= MaxWaitingOfOne)
            {
                return false;
            }

            _waiting++;
            _waitingOf[address] = ofOne + 1;
            return true;
        }
    }

    /// <summary>Gives a place back.</summary>
    public void Leave(UInt128 address)
    {
        lock (_gate)
        {
            _waiting--;
            var ofOne = _waitingOf[address] - 1;
            if (ofOne == 0)
            {
                _waitingOf.Remove(address);
            }
            else
            {
                _waitingOf[address] = ofOne;
            }
        }
    }

    /// <summary>Checks a password when its turn has come. For those who have a place.</summary>
    public async Task<bool> MatchesAsync(PasswordHash hash, string password)
    {
        await _turns.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            return await Task.Factory
                .StartNew(() => hash.Matches(password), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)
                .ConfigureAwait(false);
        }
        finally
        {
            _turns.Release();
        }
    }

    public void Dispose() => _turns.Dispose();
}
