using Millrace.Storage;
using Xunit;

namespace Millrace.Testing;

/// <summary>The ground of every suite: opens the backend before a test, closes it afterwards, and bounds every wait.</summary>
/// <typeparam name="TFixture">The backend under test.</typeparam>
public abstract class ConformanceSuite<TFixture> : IAsyncLifetime
    where TFixture : BackendFixture, new()
{
    // Real time: reached only by a test that would hang.
    private static readonly TimeSpan SafetyTimeout = TimeSpan.FromMinutes(1);

    // A wrong wake cannot be waited for; this gives it a chance to show.
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LongGlance = TimeSpan.FromSeconds(1);

    private readonly List<Backend> _openings = [];
    private Backend? _backend;

    /// <summary>The fixture of this test.</summary>
    protected TFixture Fixture { get; } = new();

    /// <summary>The clock of this test.</summary>
    protected IConformanceClock Clock => Fixture.Clock;

    /// <summary>The backend under test; the latest after <see cref="ReopenAsync"/>.</summary>
    protected Backend Backend => _backend ?? throw new InvalidOperationException("The backend is open only while a test runs.");

    /// <summary>Ends when the test run is cancelled.</summary>
    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Whether this run has the full counts instead of those for every build: <c>MILLRACE_FULL=1</c>.</summary>
    protected static bool IsFullRun => Environment.GetEnvironmentVariable("MILLRACE_FULL") == "1";

    /// <inheritdoc/>
    public virtual async ValueTask InitializeAsync() => _backend = await OpenAnotherAsync();

    /// <inheritdoc/>
    public virtual async ValueTask DisposeAsync()
    {
        for (var i = _openings.Count - 1; i >= 0; i--)
        {
            await Soon(_openings[i].DisposeAsync());
        }

        await Fixture.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Opens the backend once more on the same data; closed after the test.</summary>
    protected async ValueTask<Backend> OpenAnotherAsync()
    {
        var backend = await Soon(Fixture.OpenAsync(Cancellation));
        _openings.Add(backend);
        return backend;
    }

    /// <summary>Closes the backend and opens it again.</summary>
    protected async ValueTask ReopenAsync()
    {
        await Soon(Backend.DisposeAsync());
        _openings.Remove(Backend);
        _backend = await OpenAnotherAsync();
    }

    /// <summary>Lets the backend die and opens it again.</summary>
    protected async ValueTask CrashAsync()
    {
        await Soon(Fixture.CrashAsync(Backend));
        _backend = await OpenAnotherAsync();
    }

    /// <summary>The contract under test. The test is skipped where the backend lacks it.</summary>
    protected T Contract<T>()
        where T : class
    {
        var contract = Backend.Find<T>();
        if (contract is null)
        {
            Skip(typeof(T).Name, $"has no {typeof(T).Name}");
        }

        return contract!;
    }

    /// <summary>Skips the test where the backend's data does not outlive it.</summary>
    protected void RequireReopening()
    {
        if (!Fixture.CanReopen)
        {
            Skip(BackendFixture.Reopening, "does not keep its data");
        }
    }

    /// <summary>Skips the running test, or fails it when the fixture does not allow that.</summary>
    /// <param name="need">What the test needs, as <see cref="BackendFixture.AllowedSkips"/> names it.</param>
    /// <param name="reason">What the backend lacks: the end of a sentence that starts with its name.</param>
    protected void Skip(string need, string reason)
    {
        var name = TestContext.Current.TestMethod?.MethodName ?? "";
        var law = name.IndexOf('_', StringComparison.Ordinal) is > 0 and var end ? name[..end] : need;
        var text = $"law {law}: backend '{Backend.Name}' {reason} ({need})";
        Assert.True(Fixture.AllowedSkips.Contains(law) || Fixture.AllowedSkips.Contains(need), text + $"; {typeof(TFixture).Name}.AllowedSkips names neither '{law}' nor '{need}'.");
        Assert.Skip(text);
    }

    /// <summary>Lets the time pass, plus the clock's margin.</summary>
    protected ValueTask PassAsync(TimeSpan time) => Clock.AdvanceAsync(time + Clock.Margin, Cancellation);

    /// <summary>Lets less than <paramref name="time"/> pass: so much less that on a real clock the moment itself is not reached.</summary>
    protected ValueTask PassAlmostAsync(TimeSpan time) =>
        Clock.AdvanceAsync(Clock.Margin == TimeSpan.Zero ? time - TimeSpan.FromMilliseconds(1) : time / 3, Cancellation);

    /// <summary>Waits for something that needs no time of the clock to pass.</summary>
    protected static Task<T> Soon<T>(ValueTask<T> task) => Soon(task.AsTask());

    /// <summary>Waits for something that needs no time of the clock to pass.</summary>
    protected static Task Soon(ValueTask task) => Soon(task.AsTask());

    /// <summary>Waits for something that needs no time of the clock to pass.</summary>
    protected static async Task<T> Soon<T>(Task<T> task)
    {
        await Soon((Task)task);
        return await task;
    }

    /// <summary>Waits for something that needs no time of the clock to pass.</summary>
    protected static async Task Soon(Task task)
    {
        ArgumentNullException.ThrowIfNull(task);
        try
        {
            await task.WaitAsync(SafetyTimeout, Cancellation);
        }
        catch (TimeoutException) when (!task.IsCompleted)
        {
            Assert.Fail($"Nothing happened for {SafetyTimeout.TotalSeconds} s.");
        }
    }

    /// <summary>Waits for something that must happen before <paramref name="time"/> has passed, and lets that time pass in steps meanwhile.</summary>
    protected async Task<T> Within<T>(TimeSpan time, Task<T> task)
    {
        await Within(time, (Task)task);
        return await task;
    }

    /// <summary>Waits for something that must happen before <paramref name="time"/> has passed, and lets that time pass in steps meanwhile.</summary>
    protected async Task Within(TimeSpan time, Task task)
    {
        ArgumentNullException.ThrowIfNull(task);

        // In steps, because an engine may read the clock after the first of them: its timer must then fire in a later one.
        const int Steps = 8;
        var step = (time + Clock.Margin) / Steps;
        for (var i = 0; i < Steps && !task.IsCompleted; i++)
        {
            await Clock.AdvanceAsync(step, Cancellation);
            await Task.WhenAny(task, Task.Delay(Glance, TimeProvider.System, Cancellation));
        }

        // On a busy machine, what an engine does on another thread or behind a network may come after all of them, and a clock that is moved by hand would stand still for it.
        for (var i = 0; i < 2 * Steps && !task.IsCompleted && Clock.Margin == TimeSpan.Zero; i++)
        {
            await Task.WhenAny(task, Task.Delay(LongGlance, TimeProvider.System, Cancellation));
            if (!task.IsCompleted)
            {
                await Clock.AdvanceAsync(step, Cancellation);
            }
        }

        await Soon(task);
    }

    /// <summary>Asserts that a wait has not ended.</summary>
    protected static async Task StillWaits(Task task)
    {
        ArgumentNullException.ThrowIfNull(task);
        await Task.WhenAny(task, Task.Delay(Glance, TimeProvider.System, Cancellation));
        Assert.False(task.IsCompleted, "The wait has ended although nothing has happened that it waited for.");
    }
}
