using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Millrace.Scheduling;

namespace Millrace.Hosting;

/// <summary>The jobs of an instance.</summary>
public sealed partial class MillraceBuilder
{
    /// <summary>
    /// Runs jobs of a type that run themselves. Unless <see cref="AddJobWorker"/> says otherwise, one worker runs the jobs of the queue <see cref="ScheduleDefinition.DefaultQueue"/>.
    /// <see cref="JobClient"/> is in the services.
    /// </summary>
    /// <typeparam name="TJob">The type of the jobs.</typeparam>
    /// <param name="configure">Limits and defaults; null for none.</param>
    public MillraceBuilder AddJob<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(Action<JobTypeOptions>? configure = null)
        where TJob : IJob =>
        ConfigureJobs(jobs => jobs.Add<TJob>(configure));

    /// <summary>Runs jobs with a class: a new <typeparamref name="THandler"/> from the scope of each attempt, registered as scoped unless it is registered already.</summary>
    /// <typeparam name="TJob">The type of the arguments.</typeparam>
    /// <typeparam name="THandler">The class.</typeparam>
    /// <param name="configure">Limits and defaults; null for none.</param>
    public MillraceBuilder AddJob<[DynamicallyAccessedMembers(MessageType.Members)] TJob, [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        Action<JobTypeOptions>? configure = null)
        where THandler : class, IJobHandler<TJob>
    {
        Services.TryAddScoped<THandler>();
        return ConfigureJobs(jobs => jobs.AddFromServices<TJob, THandler>(configure));
    }

    /// <summary>Runs jobs with a function.</summary>
    /// <typeparam name="TJob">The type of the arguments.</typeparam>
    /// <param name="run">Does the work; services are in <see cref="JobContext.Services"/>.</param>
    /// <param name="configure">Limits and defaults; null for none.</param>
    public MillraceBuilder AddJob<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(
        Func<TJob, JobContext, CancellationToken, Task> run, Action<JobTypeOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        return ConfigureJobs(jobs => jobs.Add(run, configure));
    }

    /// <summary>Runs the jobs of every class of an assembly that is an <see cref="IJob"/>, or an <see cref="IJobHandler{TJob}"/>.</summary>
    /// <param name="assembly">The assembly.</param>
    [RequiresUnreferencedCode("Trimming may remove jobs that nothing names. Name them: AddJob<TJob>().")]
    [RequiresDynamicCode("Jobs that are found at run time need code that is made then. Name them: AddJob<TJob>().")]
    public MillraceBuilder AddJobsFrom(Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        foreach (var (_, handler) in JobRegistry.HandlersOf(assembly))
        {
            Services.TryAddScoped(handler);
        }

        return ConfigureJobs(jobs => jobs.AddFrom(assembly));
    }

    /// <summary>Adds a worker of jobs, instead of the one that there is when this is never called.</summary>
    /// <param name="options">How it works; null for defaults.</param>
    public MillraceBuilder AddJobWorker(JobWorkerOptions? options = null)
    {
        Registration.JobWorkers.Add(options ?? new JobWorkerOptions());
        return this;
    }

    private MillraceBuilder ConfigureJobs(Action<JobRegistry> configure)
    {
        Registration.HasJobs = true;
        return Configure(options => configure(options.Jobs));
    }
}
