using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Configuration;
using Millrace.Client;
using Millrace.Scheduling;
using Millrace.Scheduling.Schedules;
using Millrace.Scheduling.Triggers;

namespace Millrace.Hosting;

/// <content>Schedules.</content>
public sealed partial class MillraceBuilder
{
    /// <summary>
    /// Fires schedules, beside any number of other nodes, also those that this application does not define. Called by itself when a schedule is added here.
    /// </summary>
    /// <param name="options">How; null for defaults. The schedules that are added here come to those that it names.</param>
    public MillraceBuilder AddScheduler(SchedulerOptions? options = null)
    {
        var registration = Registration;
        registration.Scheduler = options ?? registration.Scheduler ?? SchedulerOptions.Default;
        return this;
    }

    /// <summary>Defines a schedule in code: stored when the host starts. What an earlier version of the application defined, and this one does not, is fired no more.</summary>
    public MillraceBuilder AddSchedule(ScheduleDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        return AddSchedule(definition.Name, _ => definition);
    }

    /// <summary>Runs a job when a trigger is due.</summary>
    /// <typeparam name="TJob">The type of the job; it need not be run by this application.</typeparam>
    /// <param name="name">The name of the schedule.</param>
    /// <param name="trigger">When it is due.</param>
    /// <param name="job">The job with its arguments.</param>
    /// <param name="configure">Policies and the rest: <c>schedule => schedule with { Overlap = OverlapPolicy.BufferOne }</c>; null for defaults.</param>
    public MillraceBuilder AddSchedule<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(
        string name, Trigger trigger, TJob job, Func<ScheduleDefinition, ScheduleDefinition>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(trigger);
        return AddSchedule(name, client => Configured(new ScheduleDefinition { Name = name, Trigger = trigger, Target = client.Jobs.TargetOf(job) }, configure));
    }

    /// <summary>Runs a job when a trigger is due that is given as text, as <see cref="Trigger.Parse"/> takes it. One that cannot be read is logged when the host starts; the others are fired.</summary>
    /// <typeparam name="TJob">The type of the job; it need not be run by this application.</typeparam>
    /// <param name="name">The name of the schedule.</param>
    /// <param name="trigger">When it is due: <c>0 3 * * * in Europe/Berlin</c>, <c>every 5m</c>.</param>
    /// <param name="job">The job with its arguments.</param>
    /// <param name="configure">Policies and the rest; null for defaults.</param>
    public MillraceBuilder AddSchedule<[DynamicallyAccessedMembers(MessageType.Members)] TJob>(
        string name, string trigger, TJob job, Func<ScheduleDefinition, ScheduleDefinition>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(trigger);
        return AddSchedule(
            name, client => Configured(new ScheduleDefinition { Name = name, Trigger = Trigger.Parse(trigger), Target = client.Jobs.TargetOf(job) }, configure));
    }

    /// <summary>
    /// Defines the schedules of a configuration: each child of the section is one, by its name in lower case or its field <c>name</c>, with the fields of the JSON form. In a settings file
    /// <c>"Schedules": { "nightly": { "trigger": "0 3 * * *", "job": { "name": "send-invoice" } } }</c>, in the environment <c>SCHEDULES__NIGHTLY__TRIGGER=0 3 * * *</c>.
    /// One that is not valid is logged when the host starts; the others are fired.
    /// </summary>
    /// <param name="section">The section, such as <c>configuration.GetSection("Schedules")</c>.</param>
    public MillraceBuilder AddSchedules(IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);
        foreach (var child in section.GetChildren())
        {
            AddSchedule(ScheduleConfiguration.NameOf(child), _ => ScheduleConfiguration.Read(child));
        }

        return this;
    }

    private static ScheduleDefinition Configured(ScheduleDefinition definition, Func<ScheduleDefinition, ScheduleDefinition>? configure) => configure?.Invoke(definition) ?? definition;

    private MillraceBuilder AddSchedule(string name, Func<MillraceClient, ScheduleDefinition> make)
    {
        ScheduleKeys.RequireName(name);
        AddScheduler();
        Registration.Schedules.Add((name, make));
        return this;
    }
}
