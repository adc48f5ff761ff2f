using Millrace.Diagnostics;

namespace Millrace.Scheduling.Jobs;

/// <summary>
/// Notes in the records of failed jobs that their messages have become dead letters, after these have: so that a redriven one is known when it comes. One after the other, beside the work; a note that
/// is missing costs no more than that its message is dead-lettered once more. Safe for concurrent use.
/// </summary>
internal sealed class DeadLetterNotes(JobEnvironment environment)
{
    private readonly Lock _gate = new();
    private Task _last = Task.CompletedTask;

    /// <summary>Notes it, soon.</summary>
    public void Add(Message message)
    {
        if (environment.FoundState is null
            || !message.Headers.TryGetValue(JobMessage.OptionsHeader, out var terms)
            || JobMessage.TryReadDueOnly(terms, out _))
        {
            return;
        }

        var id = message.Id.ToString();
        lock (_gate)
        {
            _last = NoteAsync(_last, id);
        }
    }

    /// <summary>Ends when what was added is noted.</summary>
    public Task WhenNotedAsync()
    {
        lock (_gate)
        {
            return _last;
        }
    }

    private async Task NoteAsync(Task before, string id)
    {
        await before.ConfigureAwait(false);
        try
        {
            await environment.PersistAsync(token => TrackedJob.BuryAsync(environment, id, token), CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            environment.Logger.DeadLetterNotNoted(exception, id);
        }
    }
}
