using System.CommandLine;
using Millrace.Queues;

namespace Millrace.App.Commands;

/// <summary>How <c>millrace work</c> works, as options.</summary>
internal sealed class WorkOptions
{
    private static readonly TimeSpan DefaultIdleTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan DefaultRetryDelay = TimeSpan.FromSeconds(1);

    private readonly Option<string> _exec = new("--exec", "-x") { Description = "The command line, run by /bin/sh.", HelpName = "COMMAND", Required = true };
    private readonly Option<int> _concurrency = Arguments.Number("--concurrency", "So many commands run at the same time; the number of processors unless set.", Environment.ProcessorCount);
    private readonly Option<string> _retry = new("--retry")
    {
        Description = "How the delay before a retry grows: exponential (with full jitter), linear, fixed; or none, to dead-letter at the first failure.",
        DefaultValueFactory = _ => "exponential",
    };

    private readonly Option<TimeSpan?> _retryDelay = DurationText.Option("--retry-delay", "The first delay, and by how much a linear one grows; 1s unless set.");
    private readonly Option<TimeSpan?> _retryMaxDelay = DurationText.Option("--retry-max-delay", "The longest delay; 5m unless set.");
    private readonly Option<int?> _maxAttempts = new("--max-attempts")
    {
        Description = "So many attempts in all, at most as many as the queue allows (max-deliveries), which is the default.",
        HelpName = "N",
    };

    private readonly Option<TimeSpan?> _timeout = DurationText.Option("--timeout", "A command that runs longer is killed, and its attempt has failed.");
    private readonly Option<TimeSpan?> _lease = DurationText.Option("--lease", "When this process dies, others get its messages after so long; 30s unless set.");
    private readonly Option<TimeSpan?> _drainTimeout = DurationText.Option("--drain-timeout", "How long a stop waits for running commands before it kills them; 30s unless set. Their messages go back uncounted.");
    private readonly Option<TimeSpan?> _exitWhenIdle = DurationText.Option("--exit-when-idle", "End when there has been nothing to do for so long; 1s unless given.");

    public WorkOptions()
    {
        _concurrency.Aliases.Add("-c");
        _retry.AcceptOnlyFromAmong("exponential", "linear", "fixed", "none");
        _exitWhenIdle.Arity = ArgumentArity.ZeroOrOne;
    }

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_exec, _concurrency, _retry, _retryDelay, _retryMaxDelay, _maxAttempts, _timeout, _lease, _drainTimeout, _exitWhenIdle])
        {
            command.Add(option);
        }
    }

    /// <summary>What the command line asks for.</summary>
    /// <exception cref="MillraceConfigurationException">A value that cannot be.</exception>
    public WorkRequest Read(ParseResult arguments)
    {
        var command = arguments.GetRequiredValue(_exec);
        if (string.IsNullOrWhiteSpace(command))
        {
            throw new UsageException("--exec needs a command.");
        }

        var options = new QueueWorkerOptions
        {
            Concurrency = arguments.GetValue(_concurrency),
            RetryPolicy = ReadPolicy(arguments),
            AttemptTimeout = arguments.GetValue(_timeout),
        };
        options = options with { DrainTimeout = arguments.GetValue(_drainTimeout) ?? options.DrainTimeout };
        options.Validate();
        var idle = arguments.GetResult(_exitWhenIdle) is null ? (TimeSpan?)null : arguments.GetValue(_exitWhenIdle) ?? DefaultIdleTime;
        var dispatch = new QueueDispatcherOptions();
        dispatch = dispatch with { LeaseDuration = arguments.GetValue(_lease) ?? dispatch.LeaseDuration };
        dispatch.Validate();
        return new WorkRequest(command, options, dispatch, idle);
    }

    private RetryPolicy ReadPolicy(ParseResult arguments)
    {
        var delay = arguments.GetValue(_retryDelay) ?? DefaultRetryDelay;
        var longest = arguments.GetValue(_retryMaxDelay);
        var kind = arguments.GetRequiredValue(_retry);
        if (kind is "none" && (arguments.GetValue(_maxAttempts) ?? 1) != 1)
        {
            throw new UsageException("--retry none means one attempt; it does not go with --max-attempts.");
        }

        if (kind is "exponential" or "linear" && delay <= TimeSpan.Zero)
        {
            throw new UsageException($"--retry-delay must be more than 0 with --retry {kind}; use --retry fixed for retries without a pause.");
        }

        if (longest < delay)
        {
            throw new UsageException($"--retry-max-delay must not be shorter than --retry-delay, which is {delay}.");
        }

        var policy = kind switch
        {
            "none" => RetryPolicy.None,
            "fixed" => RetryPolicy.Fixed(delay),
            "linear" => RetryPolicy.Linear(delay, longest),
            _ => RetryPolicy.Exponential(delay, maxDelay: longest),
        };
        return arguments.GetValue(_maxAttempts) switch
        {
            null => policy,
            < 1 => throw new UsageException("--max-attempts must be at least 1."),
            var attempts => policy.WithMaxAttempts(attempts.Value),
        };
    }
}

/// <summary>How to work.</summary>
/// <param name="Command">The command line of the shell.</param>
/// <param name="Options">The worker's.</param>
/// <param name="Dispatch">The dispatcher's.</param>
/// <param name="IdleTime">End after so long without work; null: never.</param>
internal sealed record WorkRequest(string Command, QueueWorkerOptions Options, QueueDispatcherOptions Dispatch, TimeSpan? IdleTime);
