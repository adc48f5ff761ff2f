using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Millrace.Scheduling.Jobs;

namespace Millrace.Scheduling;

/// <summary>
/// The jobs that the workers of a client can run, by name. Filled while the client is configured (<see cref="Client.MillraceClientOptions.Jobs"/>); read by any thread afterwards.
/// Whoever only enqueues jobs needs no entry.
/// </summary>
public sealed class JobRegistry
{
    private readonly Dictionary<string, JobType> _byHeader = new(StringComparer.Ordinal);

    internal JobRegistry()
    {
    }

    /// <summary>The names, sorted, each with its version after a semicolon unless that is 1.</summary>
    public IReadOnlyList<string> Names => [.. _byHeader.Keys.Order(StringComparer.Ordinal)];

    internal IReadOnlyCollection<JobType> Types => _byHeader.Values;

    /// <summary>A job that runs itself.</summary>
    /// <param name="configure">Limits and defaults; null for none.</param>
    /// <exception cref="MillraceConfigurationException">The name is taken or breaks a rule, or an option is out of range.</exception>
    public JobRegistry Add<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(Action<JobTypeOptions>? configure = null)
        where TJob : IJob =>
        Add<TJob>(static (job, context, cancellationToken) => job.RunAsync(context, cancellationToken), configure);

    /// <summary>A job that a function runs.</summary>
    /// <param name="run">Does the work.</param>
    /// <param name="configure">Limits and defaults; null for none.</param>
    /// <exception cref="MillraceConfigurationException">The name is taken or breaks a rule, or an option is out of range.</exception>
    public JobRegistry Add<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(
        Func<TJob, JobContext, CancellationToken, Task> run, Action<JobTypeOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        _ = JobName<TJob>.Header;
        var (name, version) = JobName.Of(typeof(TJob));
        var options = new JobTypeOptions();
        configure?.Invoke(options);
        options.Validate(name);
        var type = new JobType<TJob>(name, version, options, run);
        if (!_byHeader.TryAdd(type.Header, type))
        {
            throw new MillraceConfigurationException(
                $"There are two jobs with the name '{type.Header}': {_byHeader[type.Header].ArgumentsType} and {typeof(TJob)}. Give one of them another name, or another version, with [Job(\"…\", Version = …)].");
        }

        return this;
    }

    /// <summary>A job that an object runs; it is called for several runs at once.</summary>
    /// <param name="handler">Does the work.</param>
    /// <param name="configure">Limits and defaults; null for none.</param>
    /// <exception cref="MillraceConfigurationException">The name is taken or breaks a rule, or an option is out of range.</exception>
    public JobRegistry Add<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(IJobHandler<TJob> handler, Action<JobTypeOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return Add<TJob>(handler.RunAsync, configure);
    }

    /// <summary>A job that a new handler from each run's services runs.</summary>
    internal JobRegistry AddFromServices<[DynamicallyAccessedMembers(MessageType.Members)] TJob, THandler>(Action<JobTypeOptions>? configure)
        where THandler : class, IJobHandler<TJob> =>
        Add<TJob>(static (job, context, cancellationToken) => context.Services.GetRequiredService<THandler>().RunAsync(job, context, cancellationToken), configure);

    /// <summary>Every class of an assembly that is an <see cref="IJob"/>, and the arguments of every <see cref="IJobHandler{TJob}"/>, whose handlers come from each run's services.</summary>
    /// <param name="assembly">The assembly.</param>
    /// <exception cref="MillraceConfigurationException">A name is taken or breaks a rule.</exception>
    [RequiresUnreferencedCode("Trimming may remove jobs that nothing names. Name them: Add<TJob>().")]
    [RequiresDynamicCode("Jobs that are found at run time need code that is made then. Name them: Add<TJob>().")]
    public JobRegistry AddFrom(Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        foreach (var type in ClassesOf(assembly).Where(type => type.IsAssignableTo(typeof(IJob))))
        {
            ((IJobAdder)Activator.CreateInstance(typeof(JobAdder<>).MakeGenericType(type))!).AddTo(this);
        }

        foreach (var (job, handler) in HandlersOf(assembly))
        {
            ((IJobAdder)Activator.CreateInstance(typeof(HandlerAdder<,>).MakeGenericType(job, handler))!).AddTo(this);
        }

        return this;
    }

    /// <summary>The handlers of an assembly, each with the type of its arguments.</summary>
    [RequiresUnreferencedCode("Trimming may remove handlers that nothing names.")]
    internal static IEnumerable<(Type Job, Type Handler)> HandlersOf(Assembly assembly) =>
        from handler in ClassesOf(assembly)
        from contract in handler.GetInterfaces()
        where contract.IsGenericType && contract.GetGenericTypeDefinition() == typeof(IJobHandler<>)
        select (contract.GetGenericArguments()[0], handler);

    [RequiresUnreferencedCode("Trimming may remove classes that nothing names.")]
    private static IEnumerable<Type> ClassesOf(Assembly assembly) =>
        assembly.GetTypes().Where(type => type is { IsClass: true, IsAbstract: false, IsGenericTypeDefinition: false }).OrderBy(type => type.FullName, StringComparer.Ordinal);

    private interface IJobAdder
    {
        void AddTo(JobRegistry registry);
    }

    private sealed class JobAdder<[DynamicallyAccessedMembers(MessageType.Members)] TJob> : IJobAdder
        where TJob : IJob
    {
        public void AddTo(JobRegistry registry) => registry.Add<TJob>();
    }

    private sealed class HandlerAdder<[DynamicallyAccessedMembers(MessageType.Members)] TJob, THandler> : IJobAdder
        where THandler : class, IJobHandler<TJob>
    {
        public void AddTo(JobRegistry registry) => registry.AddFromServices<TJob, THandler>(configure: null);
    }
}
